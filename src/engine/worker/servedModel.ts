/** A loaded model at work: its generator, its runner, its figures. Owns them until `dispose`. */

import type { BoundTensor } from '../../alignment/facts';
import type { AlignmentMessage } from '../../common/alignment';
import { GlmError, isGlmError, throwIfAborted } from '../../common/errors';
import type { DeviceMemoryUse } from '../../common/placement';
import type { OperatorProfile } from '../../common/profile';
import type { ContextLimit, GenerateParams, GenerateResult, LoadedModel, OperatorProfileParams, PlacementReport, PrefillProgress, ScoreResult, TokenDelta } from '../../common/protocol/engine';
import type { GenerationOutcome, Generator } from '../../generation/generation';
import { createGenerator } from '../../generation/generator';
import type { StepLogits, StepRunner } from '../../generation/stepRunner';
import { PhaseRecorder, type TimedCopy } from '../../profiling/phaseRecorder';
import { DeltaBatcher, type BatchTimer } from './deltaBatcher';
import { assertIds, encodePrompt, type TextSource } from './encodePrompt';
import { PromptTooLongError } from './promptErrors';
import { placementReport, type FreeMemory } from './profile/placementReport';
import type { StageFacts } from './profile/stageFacts';
import type { MemoryReading } from './stages/memoryShortage';
import { peakResidentBytes } from './processMemory';
import { scoreTokens } from './tokenScores';

/** The model's stages, ready to run; see stages/stageRunner.ts. */
export interface ServedRunner extends StepRunner {
  memoryUse(): readonly DeviceMemoryUse[];
  /** Where the tensors of a step, the hidden states and the caches lie; absent where the runner does not tell. */
  boundTensors?(): readonly BoundTensor[];
  /** What the drivers count on the GPUs of the stages now; absent where the runner does not tell. */
  readMemory?(): readonly MemoryReading[];
  /** The logits after every one of `ids`; absent where the runner gives only the last. */
  prefillAllLogits?(slot: number, ids: Int32Array): Promise<Float32Array>;
  /** What the stages are made of; absent where the runner does not tell. */
  stageFacts?(): StageFacts;
  /** Times every node of a step of `promptTokens` and of so many decode steps in an empty slot; absent where the runner can't. */
  profileOperators?(slot: number, params: OperatorProfileParams, signal: AbortSignal): Promise<readonly OperatorProfile[]>;
  /** Told of each copy between stages from now on; undefined ends it. */
  listenToCopies?(listener: ((copy: TimedCopy) => void) | undefined): void;
  /** Makes the call under way fail with CancelledError; slots keep their lengths from before it. */
  interrupt(): void;
  dispose(): Promise<void>;
}

export interface ServedEvents {
  onDelta(delta: TokenDelta): void;
  onPrefill(progress: PrefillProgress): void;
  onContextLimit(limit: ContextLimit): void;
  onAlignment(message: AlignmentMessage): void;
  onAlignmentResolved(keys: readonly string[]): void;
}

export interface ServedSetup {
  readonly loaded: LoadedModel;
  readonly runner: ServedRunner;
  readonly text: TextSource;
  readonly timer: BatchTimer;
  readonly events: ServedEvents;
  /** Looks after each generation where its tensors lay. */
  readonly alignment?: { look(): void } & Disposable;
  /** Free memory by device: before the model was loaded, right after, and now. */
  readonly freeMemory?: () => Promise<FreeMemory>;
}

export class ServedModel {
  private readonly generator: Generator;
  private readonly peakBytes = new Map<string, number>();
  private readonly ending = new AbortController();
  private readonly working = new Set<Promise<unknown>>();
  /** Of the requests under way that are profiled. */
  private readonly recorders = new Set<PhaseRecorder>();
  private operators: readonly OperatorProfile[] = [];

  constructor(private readonly setup: ServedSetup) {
    const { runner, text, timer } = setup;
    this.generator = createGenerator(runner, text.tokenizer, {
      nowMs: () => timer.nowMs(),
      drawSeed: () => Math.floor(Math.random() * 2 ** 32),
      // Short steps run on this thread: without a turn of the event loop between them, neither a cancel nor a heartbeat would get through.
      breathe: () => new Promise((resolve) => setImmediate(resolve)),
    });
  }

  get loaded(): LoadedModel {
    return this.setup.loaded;
  }

  get text(): TextSource {
    return this.setup.text;
  }

  memory(): readonly DeviceMemoryUse[] {
    const memory = this.setup.runner.memoryUse();
    this.notePeak(memory);
    return memory;
  }

  /** A cancel resolves with what there is; it rejects only while a long text is still being tokenized. */
  generate(params: GenerateParams, signal: AbortSignal): Promise<GenerateResult> {
    return this.track(this.runGeneration(params, signal));
  }

  /** The logits after the last id. Waits for generations under way; later ones wait for it. @throws {CancelledError} */
  logits(ids: readonly number[], signal: AbortSignal): Promise<Float32Array> {
    return this.track(this.computeLogits(ids, signal));
  }

  /** How probable each id was after those before it. Waits as {@link logits} does. @throws {CancelledError} */
  score(ids: readonly number[], signal: AbortSignal): Promise<ScoreResult> {
    const { runner } = this.setup;
    const prefillAllLogits = runner.prefillAllLogits?.bind(runner);
    if (prefillAllLogits === undefined) {
      throw new GlmError('scores-unsupported', 'This model gives the logits of the last token only, so a text can\'t be scored. Load it on another device.');
    }
    return this.track(this.uninterrupted(ids, signal, (slot, until) => scoreTokens({ vocabSize: runner.vocabSize, prefillChunkTokens: runner.prefillChunkTokens, prefillAllLogits }, slot, ids, until)));
  }

  /**
   * Times every node of extra steps. Waits as {@link logits} does.
   * @throws {GlmError} `operators-unsupported`, or `bad-profile-options` for more than the context holds.
   */
  profileOperators(params: OperatorProfileParams, requestSignal: AbortSignal): Promise<readonly OperatorProfile[]> {
    const { runner } = this.setup;
    const profile = runner.profileOperators?.bind(runner);
    if (profile === undefined) {
      throw new GlmError('operators-unsupported', 'The nodes of this model can\'t be timed one by one: its runtime has no profile of a run. Use ONNX Runtime 1.25 or newer.');
    }
    assertProfileParams(params, runner.contextTokens);
    return this.track(
      this.uninterrupted([0], requestSignal, async (slot, signal) => {
        this.operators = await profile(slot, params, signal);
        return this.operators;
      }),
    );
  }

  /** Where each part lies, with the times of the last {@link profileOperators}. */
  async placement(): Promise<PlacementReport> {
    const { runner, freeMemory } = this.setup;
    return placementReport({ loaded: this.loaded, facts: runner.stageFacts?.(), memory: this.memory(), operators: this.operators, free: await freeMemory?.() });
  }

  forget(conversationKey: string): void {
    this.generator.forget(conversationKey);
  }

  /** Cancels what runs, waits for it, frees everything. @returns bytes of our own allocations that were freed. */
  async dispose(): Promise<number> {
    this.setup.alignment?.[Symbol.dispose]();
    const memory = this.memory();
    this.ending.abort();
    await this.generator.dispose();
    // Requests that have just ended still read the runner's figures.
    await Promise.allSettled(this.working);
    await this.setup.runner.dispose();
    return memory.reduce((sum, device) => sum + ownBytes(device), 0);
  }

  private async runGeneration(params: GenerateParams, requestSignal: AbortSignal): Promise<GenerateResult> {
    const { timer, events, text, runner } = this.setup;
    const { generationId, options, conversationKey } = params;
    const signal = AbortSignal.any([requestSignal, this.ending.signal]);
    const recorder = params.profile === true ? new PhaseRecorder(() => timer.nowMs()) : undefined;
    const submittedAtMs = Date.now();
    const submittedMs = timer.nowMs();
    recorder?.begin('tokenize', false);
    const promptIds = await encodePrompt(text, params.prompt, runner.contextTokens, signal);
    recorder?.begin('queue', false);
    const tokenizeMs = timer.nowMs() - submittedMs;
    const batcher = new DeltaBatcher(generationId, (delta) => events.onDelta(delta), timer);
    let progress = { doneTokens: 0, totalTokens: promptIds.length, reusedTokens: 0 };
    let hasToken = false;
    // One chunk of a long prompt can take seconds. It may be broken off only when nothing else shares the runner.
    const breakOffPrefill = (): void => {
      if (!hasToken && this.generator.runningCount === 1 && this.generator.queuedCount === 0) {
        runner.interrupt();
      }
    };
    signal.addEventListener('abort', breakOffPrefill, { once: true });
    if (recorder !== undefined) {
      this.listen(recorder);
    }
    try {
      const outcome = await this.generator
        .generate(
          { promptIds, options, eosIds: this.loaded.description.eosTokenIds, conversationKey, ...(recorder === undefined ? {} : { phases: recorder }) },
          {
            onContextLimit: (notice) => events.onContextLimit({ generationId, ...notice }),
            onPrefillProgress: (now) => {
              events.onPrefill({ generationId, ...(progress = now) });
              recorder?.noteMemory(this.memory());
            },
            onDelta: (delta) => {
              hasToken = true;
              batcher.push(delta);
            },
          },
          signal,
        )
        .catch((error: unknown) => {
          if (signal.aborted && !hasToken && isGlmError(error) && error.code === 'cancelled') {
            return cancelledInPrefill(progress, timer.nowMs() - submittedMs - tokenizeMs);
          }
          throw error;
        });
      batcher.flush();
      const memory = this.memory();
      recorder?.noteMemory(memory);
      const profile = recorder?.finish({ generationId, submittedAtMs, promptTokens: outcome.promptTokens, reusedTokens: outcome.reusedTokens, generatedTokens: outcome.ids.length });
      this.setup.alignment?.look();
      return {
        ...outcome,
        generationId,
        ...(params.returnPromptIds === true ? { promptIds: Array.from(promptIds) } : {}),
        tokenizeMs,
        peakMemoryBytes: this.peakMemoryBytes(),
        ...(profile === undefined ? {} : { profile }),
      };
    } finally {
      if (recorder !== undefined) {
        this.stopListening(recorder);
      }
      signal.removeEventListener('abort', breakOffPrefill);
    }
  }

  private listen(recorder: PhaseRecorder): void {
    this.recorders.add(recorder);
    this.setup.runner.listenToCopies?.((copy) => this.recorders.forEach((each) => each.copy(copy)));
  }

  private stopListening(recorder: PhaseRecorder): void {
    this.recorders.delete(recorder);
    if (this.recorders.size === 0) {
      this.setup.runner.listenToCopies?.(undefined);
    }
  }

  private async computeLogits(ids: readonly number[], requestSignal: AbortSignal): Promise<Float32Array> {
    const { runner } = this.setup;
    return this.uninterrupted(ids, requestSignal, async (slot, signal) => {
      let logits: StepLogits | undefined;
      // Chunks may grow from one to the next.
      for (let at = 0; at < ids.length; ) {
        throwIfAborted(signal, 'Computing logits');
        const chunk = Int32Array.from(ids.slice(at, at + runner.prefillChunkTokens));
        at += chunk.length;
        logits = await runner.prefill(slot, chunk, at === ids.length);
      }
      return (await logits?.full()) ?? new Float32Array(0);
    });
  }

  /** Work on checked `ids` in an empty slot while no generation runs; a cancel interrupts the call under way. */
  private async uninterrupted<T>(ids: readonly number[], requestSignal: AbortSignal, work: (slot: number, signal: AbortSignal) => Promise<T>): Promise<T> {
    const { runner } = this.setup;
    const signal = AbortSignal.any([requestSignal, this.ending.signal]);
    assertIds(ids, runner.vocabSize);
    if (ids.length > runner.contextTokens) {
      throw new PromptTooLongError(ids.length, runner.contextTokens, false);
    }
    return this.generator.exclusive(async (slot) => {
      const onAbort = (): void => runner.interrupt();
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        return await work(slot, signal);
      } finally {
        signal.removeEventListener('abort', onAbort);
      }
    });
  }

  private track<T>(work: Promise<T>): Promise<T> {
    this.working.add(work);
    const done = (): void => void this.working.delete(work);
    work.then(done, done);
    return work;
  }

  private notePeak(memory: readonly DeviceMemoryUse[]): void {
    for (const use of memory) {
      this.peakBytes.set(use.device, Math.max(ownBytes(use), this.peakBytes.get(use.device) ?? 0));
    }
  }

  /** GPUs: the most of our own allocations. CPU: the most this process ever had in memory, which is what counts there. */
  private peakMemoryBytes(): Readonly<Record<string, number>> {
    return { ...Object.fromEntries(this.peakBytes), cpu: peakResidentBytes() };
  }
}

function assertProfileParams({ promptTokens, decodeSteps }: OperatorProfileParams, contextTokens: number): void {
  if (!Number.isInteger(promptTokens) || promptTokens < 1 || !Number.isInteger(decodeSteps) || decodeSteps < 0 || promptTokens + decodeSteps > contextTokens) {
    throw new GlmError('bad-profile-options', `A profile of the operators needs at least 1 prompt token and, with its decode steps, at most the ${contextTokens} tokens of the context; asked for were ${promptTokens} and ${decodeSteps} steps.`, {
      fields: { promptTokens, decodeSteps, contextTokens },
    });
  }
}

function ownBytes({ weightBytes, kvBytes, stagingBytes, activationBytes }: DeviceMemoryUse): number {
  return weightBytes + kvBytes + stagingBytes + (activationBytes ?? 0);
}

/** No token came, so there are no figures of any. */
function cancelledInPrefill(progress: { readonly totalTokens: number; readonly reusedTokens: number }, totalMs: number): GenerationOutcome {
  return { ids: [], text: '', stopReason: 'cancelled', promptTokens: progress.totalTokens, reusedTokens: progress.reusedTokens, totalMs, queuedMs: 0, tokenTimesMs: [] };
}
