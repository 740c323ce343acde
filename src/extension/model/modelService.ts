/**
 * The model of this window: what to load, its state as views show it, its memory and alignment messages.
 * The process behind it belongs to the supervisor of src/engine/client.
 */

import { basename } from 'node:path';
import type { AlignmentMessage } from '../../common/alignment';
import { CancelledError, GlmError, isGlmError, serializeError, throwIfAborted } from '../../common/errors';
import type { Log } from '../../common/log';
import type { DeviceMemoryUse, PlacementPlan } from '../../common/placement';
import type { GenerationProfile } from '../../common/profile';
import type { LoadedModel, LoadOptions } from '../../common/protocol/engine';
import type { ModelState } from '../../common/protocol/webview';
import type { EngineClient, EngineState, EngineSupervisor } from '../../engine/client';
import type { ChatModel } from '../chat/chatSession';
import { Emitter } from '../emitter';

export interface ModelServiceOptions {
  readonly supervisor: EngineSupervisor;
  readonly log: Log;
  /** Load options from the settings. @throws {GlmError} `bad-setting`. */
  readonly readLoadOptions: (source: string) => LoadOptions | Promise<LoadOptions>;
  /** The setting, the last model, or the demo model, in this order; undefined when there is none at all. */
  readonly defaultSource: () => string | undefined;
  readonly rememberSource: (source: string) => void;
}

/** Silence after which the client calls an engine not responding. */
const silenceLimitMs = 5000;

export class ModelService implements ChatModel {
  readonly onState = new Emitter<ModelState>();
  readonly onMemory = new Emitter<readonly DeviceMemoryUse[]>();
  readonly onAlignment = new Emitter<readonly AlignmentMessage[]>();
  /** Tokens per second of the last answer or the one under way. */
  readonly onSpeed = new Emitter<number | undefined>();
  /** The phases of an answer, while {@link profilesAnswers}. */
  readonly onProfile = new Emitter<GenerationProfile>();
  /** Whether answers are asked for their phases; someone looks at them. */
  profilesAnswers = false;

  private loadedAt: number | undefined;
  private memoryUse: readonly DeviceMemoryUse[] = [];
  private alignment: readonly AlignmentMessage[] = [];
  private readonly dismissed = new Set<string>();
  private refused: { readonly source: string; readonly error: GlmError } | undefined;
  private loading: { readonly promise: Promise<LoadedModel>; readonly controller: AbortController; readonly plan?: PlacementPlan } | undefined;

  constructor(private readonly options: ModelServiceOptions) {
    options.supervisor.onClient((client) => this.listenTo(client));
    options.supervisor.onStateChange((state) => {
      this.loadedAt = state.kind === 'ready' ? (this.loadedAt ?? Date.now()) : undefined;
      if (state.kind === 'ready') {
        this.setMemory(state.model.memory);
      } else if (state.kind !== 'loading') {
        this.setMemory([]);
      }
      this.onState.fire(this.state);
    });
  }

  get state(): ModelState {
    if (this.refused !== undefined && !['ready', 'loading'].includes(this.options.supervisor.state.kind)) {
      return failedState(this.refused.source, this.refused.error);
    }
    return toModelState(this.options.supervisor.state, this.loading?.plan);
  }

  /** Why the last load did not even begin: a setting that cannot be understood. */
  get refusedSettings(): GlmError | undefined {
    return this.refused?.error;
  }

  /** The engine's own state, with everything the diagnose page tells. */
  get engineState(): EngineState {
    return this.options.supervisor.state;
  }

  get enginePid(): number | undefined {
    return this.options.supervisor.engine?.pid;
  }

  /** Last lines of output of the engine process, oldest first. */
  get lastEngineLines(): readonly string[] {
    const { state } = this.options.supervisor;
    return this.options.supervisor.engine?.lastLines ?? (state.kind === 'lost' ? state.error.evidence.lastLines : []);
  }

  get memory(): readonly DeviceMemoryUse[] {
    return this.memoryUse;
  }

  /** When the model that is loaded was, milliseconds since the Unix epoch. */
  get loadedAtMs(): number | undefined {
    return this.loadedAt;
  }

  /** Each cause once, without those that were dismissed. */
  get alignmentMessages(): readonly AlignmentMessage[] {
    return this.alignment.filter((message) => !this.dismissed.has(message.key));
  }

  dismissAlignment(key: string): void {
    this.dismissed.add(key);
    this.onAlignment.fire(this.alignmentMessages);
  }

  /** Loads `source`; what was loaded goes first. `plan` is the estimate that was shown, when one was. Rejects with CancelledError after {@link cancelLoad}. */
  load(source: string, plan?: PlacementPlan): Promise<LoadedModel> {
    const controller = new AbortController();
    this.alignment = [];
    this.onAlignment.fire([]);
    const promise = this.begin(source, controller.signal);
    const entry = { promise, controller, plan };
    this.loading = entry;
    const clear = (): void => {
      if (this.loading === entry) {
        this.loading = undefined;
      }
    };
    promise.then(clear, clear);
    return promise;
  }

  cancelLoad(): void {
    this.loading?.controller.abort();
  }

  /** Loads again what was loaded last, or the default. */
  reload(): Promise<LoadedModel> {
    const source = this.options.supervisor.lastOptions?.source ?? this.options.defaultSource();
    return source === undefined ? Promise.reject(noModelError()) : this.load(source);
  }

  /** Ends the engine's process whatever it is doing, then loads again. */
  async restart(): Promise<LoadedModel> {
    const source = this.options.supervisor.lastOptions?.source;
    await this.options.supervisor.dispose();
    return source === undefined ? this.reload() : this.load(source);
  }

  unload(): Promise<void> {
    return this.options.supervisor.unload();
  }

  async ensureReady(signal: AbortSignal): Promise<LoadedModel> {
    const { state } = this.options.supervisor;
    if (state.kind === 'ready') {
      return state.model;
    }
    // A load that someone else began is waited for; cancelling the answer leaves it running.
    const promise = this.loading?.promise ?? this.untilLoaded() ?? this.reload();
    return abortable(promise, signal);
  }

  async generate(...[params, listener, signal]: Parameters<ChatModel['generate']>): ReturnType<ChatModel['generate']> {
    let first: { readonly tokens: number; readonly elapsedMs: number } | undefined;
    let toldAtMs = 0;
    const result = await this.options.supervisor.generate(
      this.profilesAnswers ? { ...params, profile: true } : params,
      {
        onPrefill: listener.onPrefill,
        onContextLimit: listener.onContextLimit,
        onDelta: (delta) => {
          first ??= { tokens: delta.generatedTokens, elapsedMs: delta.elapsedMs };
          const sinceFirstMs = delta.elapsedMs - first.elapsedMs;
          if (sinceFirstMs > 0 && delta.elapsedMs - toldAtMs >= 500) {
            toldAtMs = delta.elapsedMs;
            this.onSpeed.fire(((delta.generatedTokens - first.tokens) / sinceFirstMs) * 1000);
          }
          listener.onDelta(delta);
        },
      },
      signal,
    );
    this.onSpeed.fire(result.decodeTokensPerSecond);
    if (result.profile !== undefined) {
      this.onProfile.fire(result.profile);
    }
    return result;
  }

  /** For measurements beside the chat. */
  get profiledEngine(): EngineSupervisor {
    return this.options.supervisor;
  }

  /** Token ids of `text`, whose special-token literals stay text. @throws {GlmError} `no-model` when none is loaded. */
  async tokenize(text: string): Promise<readonly number[]> {
    return (await this.options.supervisor.request('tokenize', { text, mode: 'plain' })).ids;
  }

  forget(conversationKey: string): void {
    if (this.options.supervisor.state.kind === 'ready') {
      this.options.supervisor.request('conversation-forget', { conversationKey }).catch((error: unknown) => {
        this.options.log.log('debug', 'model', `Forgetting a conversation's keys and values failed: ${String(error)}`);
      });
    }
  }

  dispose(): Promise<void> {
    return this.options.supervisor.dispose();
  }

  private async begin(source: string, signal: AbortSignal): Promise<LoadedModel> {
    let options: LoadOptions;
    try {
      options = await this.options.readLoadOptions(source);
      this.refused = undefined;
    } catch (error) {
      if (isGlmError(error)) {
        // Shown in place of how the load before this one ended.
        this.refused = { source, error };
        this.onState.fire(this.state);
      }
      throw error;
    }
    this.options.rememberSource(source);
    const model = await this.options.supervisor.load(options, signal);
    this.options.log.log('info', 'model', `${model.description.name} is loaded`, { weights: model.weights, contextTokens: model.contextTokens, loadMs: Math.round(model.loadMs) });
    return model;
  }

  /** The end of a load that the supervisor began by itself, such as after a loss. */
  private untilLoaded(): Promise<LoadedModel> | undefined {
    if (this.options.supervisor.state.kind !== 'loading') {
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const stop = this.options.supervisor.onStateChange((state) => {
        if (state.kind === 'ready') {
          resolve(state.model);
        } else if (state.kind === 'failed' || state.kind === 'lost') {
          reject(state.error);
        } else if (state.kind === 'none') {
          reject(new CancelledError('Loading the model'));
        } else {
          return;
        }
        stop();
      });
    });
  }

  private listenTo(client: EngineClient): void {
    client.on('memory-use', (memory) => this.setMemory(memory));
    client.on('alignment-resolved', ({ keys }) => {
      this.alignment = this.alignment.filter((message) => !keys.includes(message.key));
      this.onAlignment.fire(this.alignmentMessages);
    });
    client.on('alignment-message', (message) => {
      this.alignment = [...this.alignment.filter((old) => old.key !== message.key), message];
      this.onAlignment.fire(this.alignmentMessages);
    });
  }

  private setMemory(memory: readonly DeviceMemoryUse[]): void {
    this.memoryUse = memory;
    this.onMemory.fire(memory);
  }
}

/** The name people know a source by. */
export function sourceName(source: string): string {
  return /^[\w.-]+\/[\w.-]+$/.test(source) ? (source.split('/')[1] ?? source) : basename(source) || source;
}

function toModelState(state: EngineState, plan: PlacementPlan | undefined): ModelState {
  switch (state.kind) {
    case 'none':
      return { kind: 'none' };
    case 'loading':
      return { kind: 'loading', name: sourceName(state.options.source), progress: state.progress, plan };
    case 'ready':
      return { kind: 'ready', model: state.model, ...(state.responsive ? {} : { notRespondingForMs: silenceLimitMs }) };
    case 'failed':
    case 'lost':
      return failedState(state.options.source, state.error, state.kind);
    default:
      return state satisfies never;
  }
}

function failedState(source: string, error: GlmError, kind: 'failed' | 'lost' = 'failed'): ModelState {
  return { kind, name: sourceName(source), error: { ...serializeError(error), stack: undefined } };
}

function noModelError(): GlmError {
  return new GlmError('no-model', 'No model has been chosen yet, and this build holds no demo model. Choose a GLM-4 checkpoint first.', {
    next: [{ label: 'Choose a model', command: 'glm.chooseModel' }],
  });
}

function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  throwIfAborted(signal, 'The question');
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(new CancelledError('The question')), { once: true });
    promise.then(resolve, reject);
  });
}
