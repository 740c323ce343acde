/** A loaded model at work: its generator, its runner, its figures. Owns them until `dispose`. */

import type { AlignmentMessage } from '../../common/alignment';
import { throwIfAborted } from '../../common/errors';
import type { DeviceMemoryUse } from '../../common/placement';
import type { GenerateParams, GenerateResult, LoadedModel, PrefillProgress, TokenDelta } from '../../common/protocol/engine';
import type { StepRunner } from '../../generation/stepRunner';
import { createGenerator } from '../../generation/generator';
import type { Generator } from '../../generation/generation';
import { DeltaBatcher, type BatchTimer } from './deltaBatcher';
import { assertIds, encodePrompt, type TextSource } from './encodePrompt';
import { PromptTooLongError } from './promptErrors';
import { peakResidentBytes } from './processMemory';
import { RunGate } from './runGate';

/** The model's stages, ready to run; see stages/stageRunner.ts. */
export interface ServedRunner extends StepRunner {
  memoryUse(): readonly DeviceMemoryUse[];
  /** Makes the call under way fail with CancelledError; slots keep their lengths from before it. */
  interrupt(): void;
  dispose(): Promise<void>;
}

export interface ServedEvents {
  onDelta(delta: TokenDelta): void;
  onPrefill(progress: PrefillProgress): void;
  onAlignment(message: AlignmentMessage): void;
}

export interface ServedSetup {
  readonly loaded: LoadedModel;
  readonly runner: ServedRunner;
  readonly text: TextSource;
  readonly timer: BatchTimer;
  readonly events: ServedEvents;
}

export class ServedModel {
  private generator: Generator;
  private readonly gate = new RunGate();
  private readonly peakBytes = new Map<string, number>();
  private readonly ending = new AbortController();

  constructor(private readonly setup: ServedSetup) {
    this.generator = this.makeGenerator();
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

  /** A cancel resolves with what there is; only a prompt that never got to run rejects. */
  async generate(params: GenerateParams, signal: AbortSignal): Promise<GenerateResult> {
    const { timer, events, text, runner } = this.setup;
    const submittedMs = timer.nowMs();
    const promptIds = await encodePrompt(text, params.prompt, runner, signal);
    const tokenizeMs = timer.nowMs() - submittedMs;
    const { generationId, options, conversationKey } = params;
    const batcher = new DeltaBatcher(generationId, (delta) => events.onDelta(delta), timer);
    const outcome = await this.gate.shared(() =>
      this.generator.generate(
        { promptIds, options, eosIds: this.loaded.description.eosTokenIds, conversationKey },
        {
          onPrefillProgress: (progress) => events.onPrefill({ generationId, ...progress }),
          onDelta: (delta) => batcher.push(delta),
        },
        AbortSignal.any([signal, this.ending.signal]),
      ),
    );
    batcher.flush();
    this.memory();
    return {
      ...outcome,
      generationId,
      ...(params.returnPromptIds === true ? { promptIds: Array.from(promptIds) } : {}),
      tokenizeMs,
      peakMemoryBytes: this.peakMemoryBytes(),
    };
  }

  /** The logits after the last id. Runs alone; conversations' cached keys and values are forgotten. */
  async logits(ids: readonly number[], signal: AbortSignal): Promise<Float32Array> {
    const { runner } = this.setup;
    assertIds(ids, runner.vocabSize);
    if (ids.length > runner.contextTokens) {
      throw new PromptTooLongError(ids.length, runner.contextTokens, false);
    }
    return this.gate.exclusive(async () => {
      throwIfAborted(signal, 'Computing logits');
      await this.generator.dispose();
      const onAbort = (): void => runner.interrupt();
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        runner.rewindTo(0, 0);
        for (let at = 0; at < ids.length; at += runner.prefillChunkTokens) {
          throwIfAborted(signal, 'Computing logits');
          const end = Math.min(at + runner.prefillChunkTokens, ids.length);
          const logits = await runner.prefill(0, Int32Array.from(ids.slice(at, end)), end === ids.length);
          if (logits !== undefined) {
            return await logits.full();
          }
        }
        return new Float32Array(0);
      } finally {
        signal.removeEventListener('abort', onAbort);
        runner.rewindTo(0, 0);
        this.generator = this.makeGenerator();
      }
    });
  }

  forget(conversationKey: string): void {
    this.generator.forget(conversationKey);
  }

  /** Cancels what runs, waits for it, frees everything. @returns bytes of our own allocations that were freed. */
  async dispose(): Promise<number> {
    this.ending.abort();
    const memory = this.setup.runner.memoryUse();
    await this.gate.exclusive(() => this.generator.dispose());
    await this.setup.runner.dispose();
    return memory.reduce((sum, device) => sum + device.weightBytes + device.kvBytes + device.stagingBytes + (device.activationBytes ?? 0), 0);
  }

  private makeGenerator(): Generator {
    const { runner, text, timer } = this.setup;
    return createGenerator(runner, text.tokenizer, { nowMs: () => timer.nowMs(), drawSeed: () => Math.floor(Math.random() * 2 ** 32) });
  }

  private notePeak(memory: readonly DeviceMemoryUse[]): void {
    for (const { device, weightBytes, kvBytes, stagingBytes, activationBytes } of memory) {
      const bytes = weightBytes + kvBytes + stagingBytes + (activationBytes ?? 0);
      this.peakBytes.set(device, Math.max(bytes, this.peakBytes.get(device) ?? 0));
    }
  }

  /** GPUs: the most of our own allocations. CPU: the most this process ever had in memory, which is what counts there. */
  private peakMemoryBytes(): Readonly<Record<string, number>> {
    return { ...Object.fromEntries(this.peakBytes), cpu: peakResidentBytes() };
  }
}
