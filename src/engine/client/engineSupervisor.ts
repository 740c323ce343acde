/**
 * Keeps at most one loaded model: starts its engine process, watches it, and can load again what was lost or put away.
 *
 * One process per model; unloading ends it, because that is the only release of GPU memory that can be trusted.
 * Conversations live with the asker: a lost engine costs the model, never the text.
 */

import { CancelledError, GlmError, isGlmError } from '../../common/errors';
import { silentLog, type Log } from '../../common/log';
import type { EngineContract, GenerateParams, GenerateResult, LoadedModel, LoadOptions, LoadProgress } from '../../common/protocol/engine';
import { systemClock, type Clock } from './clock';
import type { EngineLostError } from './engineLostError';
import type { EngineClient, GenerationListener } from './startEngine';

export type EngineState =
  /** `idle`: the model was put away because nothing used it; `reload` brings it back. */
  | { readonly kind: 'none'; readonly idle?: boolean }
  | { readonly kind: 'loading'; readonly options: LoadOptions; readonly progress?: LoadProgress }
  | { readonly kind: 'ready'; readonly options: LoadOptions; readonly model: LoadedModel; readonly responsive: boolean }
  | { readonly kind: 'failed'; readonly options: LoadOptions; readonly error: GlmError }
  | { readonly kind: 'lost'; readonly options: LoadOptions; readonly error: EngineLostError };

export interface SupervisorOptions {
  readonly start: () => EngineClient;
  readonly clock?: Clock;
  readonly log?: Log;
  /** Put the model away after this long without a request; undefined or 0: never. */
  readonly idleUnloadMs?: number;
  /** Restart and reload by itself after a loss, once until a generation has worked again. */
  readonly restartOnce?: boolean;
}

/** How long an engine may take to free its memory before its process is ended anyway. */
const unloadLimitMs = 5000;

/** How long a cancelled load may take to clean up after itself, such as in the middle of a native call; then its process is ended. */
const cancelLimitMs = 1500;

/** Cause: a request needs a model and none is loaded. Handled by: the view, which offers to choose one. */
export class NoModelError extends GlmError {
  constructor(state: EngineState['kind']) {
    super('no-model', state === 'loading' ? 'The model is still being loaded. Send again when it is ready.' : 'No model is loaded. Choose one first.', {
      next: state === 'loading' ? [] : [{ label: 'Choose a model', command: 'glm.chooseModel' }],
    });
  }
}

export class EngineSupervisor {
  private current: EngineState = { kind: 'none' };
  private client: EngineClient | undefined;
  private last: LoadOptions | undefined;
  private abortLoad: AbortController | undefined;
  /** The load under way or waiting, for those who want its outcome rather than a load of their own. */
  private currentLoad: Promise<LoadedModel> | undefined;
  private busyCount = 0;
  private cancelIdle: () => void = () => undefined;
  private idleUnloadMs: number | undefined;
  private restartOnce: boolean;
  private hasRestarted = false;
  private readonly stateListeners = new Set<(state: EngineState) => void>();
  private readonly clientListeners = new Set<(client: EngineClient) => void>();
  private readonly clock: Clock;
  private readonly log: Log;
  /** Loads and unloads run one after the other. */
  private queue: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: SupervisorOptions) {
    this.clock = options.clock ?? systemClock;
    this.log = options.log ?? silentLog;
    this.idleUnloadMs = options.idleUnloadMs;
    this.restartOnce = options.restartOnce ?? false;
  }

  get state(): EngineState {
    return this.current;
  }

  /** The process of the loaded or loading model. */
  get engine(): EngineClient | undefined {
    return this.client;
  }

  /** What {@link reload} would load. */
  get lastOptions(): LoadOptions | undefined {
    return this.last;
  }

  onStateChange(listener: (state: EngineState) => void): () => void {
    this.stateListeners.add(listener);
    return () => this.stateListeners.delete(listener);
  }

  /** Called with each new engine process before its first request, to listen to its events. */
  onClient(listener: (client: EngineClient) => void): () => void {
    this.clientListeners.add(listener);
    return () => this.clientListeners.delete(listener);
  }

  configure(options: { readonly idleUnloadMs?: number; readonly restartOnce?: boolean }): void {
    this.idleUnloadMs = options.idleUnloadMs;
    this.restartOnce = options.restartOnce ?? false;
    this.watchIdle();
  }

  /**
   * Loads a model in a fresh process; what was loaded or loading before ends first.
   *
   * @throws {CancelledError} when `signal` aborts or another load takes over; nothing is left behind then.
   * @throws {GlmError} the engine's error; the state is `failed` and the process has ended.
   */
  load(options: LoadOptions, signal?: AbortSignal): Promise<LoadedModel> {
    this.abortLoad?.abort();
    const controller = new AbortController();
    this.abortLoad = controller;
    const onAbort = (): void => controller.abort();
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) {
      controller.abort();
    }
    const load = this.enqueue(() => this.loadNow(options, controller.signal)).finally(() => {
      signal?.removeEventListener('abort', onAbort);
      if (this.currentLoad === load) {
        this.currentLoad = undefined;
      }
    });
    this.currentLoad = load;
    return load;
  }

  /** Loads what was loaded last, such as after a loss or an idle unload. */
  reload(signal?: AbortSignal): Promise<LoadedModel> {
    if (this.last === undefined) {
      return Promise.reject(new NoModelError('none'));
    }
    return this.load(this.last, signal);
  }

  /** The loaded model, after waiting for a load under way, or bringing back one that was put away or lost. */
  async ensureLoaded(signal?: AbortSignal): Promise<LoadedModel> {
    return this.current.kind === 'ready' ? this.current.model : (this.currentLoad ?? this.reload(signal));
  }

  /** Frees the model's memory and ends its process. Cancels a load under way. Harmless when nothing is loaded. */
  unload(): Promise<void> {
    this.abortLoad?.abort();
    return this.enqueue(() => this.unloadNow(false));
  }

  /** Generates with the loaded model. @throws {NoModelError} @throws {EngineLostError} */
  async generate(params: GenerateParams, listener: GenerationListener, signal?: AbortSignal): Promise<GenerateResult> {
    return this.use(async (client) => {
      const result = await client.generate(params, listener, signal);
      this.hasRestarted = false;
      return result;
    });
  }

  /** Any other request to the loaded model. */
  request<M extends keyof EngineContract['requests'] & string>(
    method: M,
    params: EngineContract['requests'][M]['params'],
    signal?: AbortSignal,
  ): Promise<EngineContract['requests'][M]['result']> {
    return this.use((client) => client.request(method, params, signal));
  }

  /** Ends the process at once; the supervisor can be used again afterwards. */
  async dispose(): Promise<void> {
    this.cancelIdle();
    this.abortLoad?.abort();
    const client = this.client;
    this.client = undefined;
    await client?.end();
    this.setState({ kind: 'none' });
  }

  private enqueue<T>(action: () => Promise<T>): Promise<T> {
    const result = this.queue.then(action, action);
    this.queue = result.catch(() => undefined);
    return result;
  }

  private async use<T>(action: (client: EngineClient) => Promise<T>): Promise<T> {
    if (this.client === undefined || this.current.kind !== 'ready') {
      throw this.current.kind === 'lost' ? this.current.error : new NoModelError(this.current.kind);
    }
    this.busyCount += 1;
    this.cancelIdle();
    try {
      return await action(this.client);
    } finally {
      this.busyCount -= 1;
      this.watchIdle();
    }
  }

  private async loadNow(options: LoadOptions, signal: AbortSignal): Promise<LoadedModel> {
    await this.unloadNow(false);
    if (signal.aborted) {
      throw new CancelledError('Loading the model');
    }
    this.last = options;
    const client = this.options.start();
    this.client = client;
    this.watch(client, options);
    this.setState({ kind: 'loading', options });
    let cancelEnd: () => void = () => undefined;
    const onAbort = (): void => {
      cancelEnd = this.clock.after(cancelLimitMs, () => void client.end(0));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const model = await client.request('model-load', options, signal);
      if (signal.aborted) {
        throw new CancelledError('Loading the model');
      }
      this.setState({ kind: 'ready', options, model, responsive: client.responsive });
      this.watchIdle();
      return model;
    } catch (error) {
      if (this.client === client) {
        this.client = undefined;
        const wasLost = !client.alive;
        await client.end();
        if (signal.aborted) {
          this.setState({ kind: 'none' });
          throw new CancelledError('Loading the model');
        }
        // A loss has set its own state already.
        if (!wasLost) {
          this.setState({ kind: 'failed', options, error: asGlmError(error) });
        }
      }
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
      cancelEnd();
    }
  }

  private async unloadNow(idle: boolean): Promise<void> {
    this.cancelIdle();
    const client = this.client;
    if (client === undefined) {
      if (this.current.kind !== 'none') {
        this.setState({ kind: 'none' });
      }
      return;
    }
    this.client = undefined;
    if (client.alive && this.current.kind === 'ready') {
      const limit = AbortSignal.timeout(unloadLimitMs);
      await Promise.race([
        client.request('model-unload', {}).catch((error: unknown) => this.log.log('warn', 'engine', `Unloading failed, the process is ended anyway: ${String(error)}`)),
        new Promise((resolve) => limit.addEventListener('abort', resolve, { once: true })),
      ]);
    }
    await client.end();
    this.setState({ kind: 'none', ...(idle ? { idle } : {}) });
  }

  private watch(client: EngineClient, options: LoadOptions): void {
    client.on('model-load-progress', (progress) => {
      if (this.client === client && this.current.kind === 'loading') {
        this.setState({ kind: 'loading', options, progress });
      }
    });
    client.onResponsiveChange((responsive) => {
      if (this.client === client && this.current.kind === 'ready') {
        this.setState({ ...this.current, responsive });
      }
    });
    client.onLost((error) => {
      if (this.client !== client) {
        return;
      }
      const wasReady = this.current.kind === 'ready';
      this.cancelIdle();
      this.setState({ kind: 'lost', options, error });
      if (wasReady) {
        this.client = undefined;
        if (this.restartOnce && !this.hasRestarted) {
          this.hasRestarted = true;
          this.log.log('info', 'engine', 'Restarting the engine and loading the model again, once.');
          this.reload().catch((failure: unknown) => this.log.log('error', 'engine', `The reload failed: ${String(failure)}`));
        }
      }
    });
    for (const listener of [...this.clientListeners]) {
      listener(client);
    }
  }

  private watchIdle(): void {
    this.cancelIdle();
    if (this.idleUnloadMs !== undefined && this.idleUnloadMs > 0 && this.busyCount === 0 && this.current.kind === 'ready') {
      this.cancelIdle = this.clock.after(this.idleUnloadMs, () => void this.enqueue(() => (this.busyCount === 0 ? this.unloadNow(true) : Promise.resolve())));
    }
  }

  private setState(state: EngineState): void {
    this.current = state;
    for (const listener of [...this.stateListeners]) {
      listener(state);
    }
  }
}

function asGlmError(error: unknown): GlmError {
  return isGlmError(error) ? error : new GlmError('internal', error instanceof Error ? error.message : String(error));
}
