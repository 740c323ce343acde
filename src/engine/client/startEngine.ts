import type { EngineContract } from '../../common/protocol/engine';
import type { ContextLimit, GenerateParams, GenerateResult, PrefillProgress, TokenDelta } from '../../common/protocol/engine';
import { silentLog, type Log } from '../../common/log';
import { forkChild, type ChildChannel, type ForkOptions } from './childChannel';
import { ChildLink } from './childLink';
import { systemClock, type Clock } from './clock';
import { readMemoryKillCount } from './memoryKillCount';

export interface StartEngineOptions {
  /** The engine's bundle, `dist/engineWorker.js`. */
  readonly workerPath: string;
  /** Default: the executable of this process; under Electron it is run as Node. */
  readonly execPath?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Folders of CUDA, cuDNN and the like, searched first by the system's loader. */
  readonly libraryFolders?: readonly string[];
  readonly log?: Log;
  readonly clock?: Clock;
  /** Silence after which the engine counts as not responding. Default 5,000 ms. */
  readonly silenceLimitMs?: number;
  /** Given by tests. */
  readonly fork?: (options: ForkOptions) => ChildChannel;
}

/** Where the events of one generation go. */
export interface GenerationListener {
  readonly onDelta?: (delta: TokenDelta) => void;
  readonly onPrefill?: (progress: PrefillProgress) => void;
  /** The context will be full before `maxNewTokens`; told before the first token. */
  readonly onContextLimit?: (limit: ContextLimit) => void;
}

/** A running engine process. Owns it: whoever started it calls `end`. */
export class EngineClient extends ChildLink<EngineContract> {
  /**
   * Generates and streams to `listener` until the promise settles.
   * A cancel is an outcome: the promise resolves with what was generated and stop reason `cancelled`.
   */
  async generate(params: GenerateParams, listener: GenerationListener, signal?: AbortSignal): Promise<GenerateResult> {
    const mine = (event: { readonly generationId: string }): boolean => event.generationId === params.generationId;
    const stop = [
      this.on('token-delta', (delta) => void (mine(delta) && listener.onDelta?.(delta))),
      this.on('prefill-progress', (progress) => void (mine(progress) && listener.onPrefill?.(progress))),
      this.on('context-limit', (limit) => void (mine(limit) && listener.onContextLimit?.(limit))),
    ];
    try {
      return await this.request('generate', params, signal);
    } finally {
      stop.forEach((end) => end());
    }
  }
}

/**
 * Starts an engine process. It loads no model yet and knows no device.
 * Returns at once; a failed start arrives through `onLost` and rejects the first request.
 *
 * `CUDA_DEVICE_ORDER=PCI_BUS_ID`: devices are numbered as NVML and nvidia-smi number them.
 * `UV_THREADPOOL_SIZE=16`: reading, packing and running go on side by side.
 * `ORT_ENABLE_XQA=0`: that CUDA attention kernel keeps per-process static state and fails on a second device; without it nothing is slower.
 */
export function startEngine(options: StartEngineOptions): EngineClient {
  const log = options.log ?? silentLog;
  const channel = (options.fork ?? forkChild)({
    modulePath: options.workerPath,
    execPath: options.execPath,
    env: { ORT_ENABLE_XQA: '0', CUDA_DEVICE_ORDER: 'PCI_BUS_ID', UV_THREADPOOL_SIZE: '16', ...options.env },
    libraryFolders: options.libraryFolders,
  });
  const client = new EngineClient(channel, {
    what: 'engine',
    clock: options.clock ?? systemClock,
    log,
    readMemoryKills: () => readMemoryKillCount('self'),
    silenceLimitMs: options.silenceLimitMs ?? 5000,
  });
  client.on('log', (record) => client.takeLogRecord(record));
  return client;
}
