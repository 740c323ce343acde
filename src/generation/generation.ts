/** What goes into a generation and what comes out of it, whoever runs the model. */

import type { GenerationOptions, StopReason } from '../common/sampling';
import type { PhaseTrace } from './phaseTrace';

export interface GenerationRequest {
  /** At least one id. */
  readonly promptIds: ArrayLike<number>;
  readonly options: GenerationOptions;
  readonly eosIds: readonly number[];
  /** Requests with the same key use the same slot one after the other, so that a next turn prefills only what is new. */
  readonly conversationKey?: string;
  /** Only for a request that is profiled. */
  readonly phases?: PhaseTrace;
}

export interface ContextNotice {
  readonly promptTokens: number;
  readonly contextTokens: number;
  /** Tokens that can be generated before the context is full; less than `maxNewTokens`. */
  readonly roomTokens: number;
  readonly maxNewTokens: number;
}

/** All optional; called in order, never after the promise has settled. */
export interface GenerationCallbacks {
  /** The prompt fits but `maxNewTokens` do not: called once, before the first prefill. */
  onContextLimit?(notice: ContextNotice): void;
  onPrefillProgress?(progress: { readonly doneTokens: number; readonly totalTokens: number; readonly reusedTokens: number }): void;
  /** After each token. `text` holds whole characters only and may be empty; `ids` holds one id, or none at the final flush. */
  onDelta?(delta: { readonly text: string; readonly ids: readonly number[]; readonly generatedTokens: number; readonly elapsedMs: number }): void;
}

export interface GenerationOutcome {
  /** Every token chosen, an ending EOS included. */
  readonly ids: readonly number[];
  /** Without special tokens; cut exactly before a stop string. */
  readonly text: string;
  readonly stopReason: StopReason;
  readonly promptTokens: number;
  /** Prompt tokens whose keys and values were already in the slot. */
  readonly reusedTokens: number;
  /** First token − submit; undefined when no token came. */
  readonly ttftMs?: number;
  /** (last − first) / (n − 1); undefined below two tokens. */
  readonly tpotMs?: number;
  readonly decodeTokensPerSecond?: number;
  /** Tokens prefilled (not the reused ones) over the time the prefill calls took. */
  readonly prefillTokensPerSecond?: number;
  readonly totalMs: number;
  /** Submit until the slot was given. */
  readonly queuedMs: number;
  /** The seed used; undefined for greedy. */
  readonly seed?: number;
  /** When each token was chosen, in ms since submit. */
  readonly tokenTimesMs: readonly number[];
}

/** What the loop needs from a tokenizer. */
export interface TextDecoder {
  streamDecoder(options: { readonly skipSpecial: boolean }): { push(id: number): string; end(): string };
}

export interface GeneratorOptions {
  /** Milliseconds of a monotonic clock. */
  readonly nowMs: () => number;
  /** Draws a seed for sampled requests without one: an integer in [0, 2^32). */
  readonly drawSeed: () => number;
  /**
   * Awaited between steps, to let the event loop serve timers and messages where steps themselves never do
   * (`() => new Promise(setImmediate)` in Node). Leave out where every runner call is truly asynchronous.
   */
  readonly breathe?: () => Promise<void>;
}

/**
 * Runs requests on one StepRunner: up to `maxBatch` together, the others queued; joins and leaves happen between steps.
 * One owner; made by `createGenerator(runner, tokenizer, options)`.
 */
export interface Generator {
  /**
   * Cancelling `signal` ends the request within one step with stop reason `cancelled` and the text so far; it does not reject.
   * @throws {GlmError} `prompt-too-long`, `prompt-empty`, `bad-sampling-option` before anything runs, or what the runner threw.
   */
  generate(request: GenerationRequest, callbacks?: GenerationCallbacks, signal?: AbortSignal): Promise<GenerationOutcome>;
  /** Forgets a conversation's keys and values. */
  forget(conversationKey: string): void;
  /**
   * Runs `work` alone on the runner, with an empty slot of its own, when all running requests have ended; requests that come meanwhile wait.
   * For what is no generation, such as asking for the logits of a prompt.
   */
  exclusive<T>(work: (slot: number) => Promise<T>): Promise<T>;
  readonly runningCount: number;
  readonly queuedCount: number;
  /** Cancels everything and resolves when the runner is idle; later calls throw. */
  dispose(): Promise<void>;
}
