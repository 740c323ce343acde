/** One step through all stages' sessions: inputs laid out, hidden states handed over, copies timed. Any provider can do it; faster ways stand beside it. */

import { CancelledError } from '../../../common/errors';
import type { MemoryInfo } from '../../../ort/memory';
import { RunOptions } from '../../../ort/running';
import type { Value } from '../../../ort/value';
import type { TimedCopy } from '../../../profiling/phaseRecorder';
import { openHandOver, type HandOver } from './handOver';
import type { Stage, StageBorder } from './stage';
import { StepBufferCache, StepBuffers, type StepShape } from './stepBuffers';

/** Decode shapes recur; of the prefill shapes only the latest is worth keeping. */
const mostHandOvers = 16;

export class StageSteps {
  private readonly buffers: StepBufferCache;
  private readonly handOvers = new Map<string, HandOver>();
  private readonly runOptions: RunOptions;
  private copyListener: ((copy: TimedCopy) => void) | undefined;
  /** Of a step under way that is profiled. */
  private timedOptions: readonly RunOptions[] = [];

  constructor(
    private readonly stages: readonly Stage[],
    private readonly hostInfo: MemoryInfo,
    private readonly sizes: { readonly vocabSize: number; readonly hiddenSize: number },
    private readonly isInterrupted: () => boolean,
  ) {
    const idDtype = stages[0]?.parts.precision.ids ?? 'i64';
    this.buffers = new StepBufferCache((shape) => new StepBuffers(hostInfo, shape, idDtype, sizes.vocabSize));
    this.runOptions = new RunOptions(hostInfo.library);
    if (stages.some(({ parts: { device } }) => device.provider === 'cuda' || device.capturesSteps === true)) {
      // Only cudaBatch.ts and webgpuCapture.ts capture and replay.
      this.runOptions.setConfig('gpu_graph_id', '-1');
    }
  }

  /**
   * @param ids  i32[slotCount × tokens] of neighbouring slots from `firstSlot`.
   * @param lengths  Valid positions of each slot.
   * @returns buffers that the next step of the same shape writes again.
   * @throws {CancelledError} after {@link terminate}
   */
  async run(firstSlot: number, shape: StepShape, ids: Int32Array, lengths: readonly number[], optionsOf: readonly RunOptions[] = []): Promise<StepBuffers> {
    const step = this.buffers.get(shape);
    step.fill(ids, lengths);
    let hiddenIn: Value | undefined;
    for (const [index, stage] of this.stages.entries()) {
      if (this.isInterrupted()) {
        throw new CancelledError('The run');
      }
      const handOver = index === this.stages.length - 1 ? undefined : this.handOverAfter(index, shape);
      const border: StageBorder = { hiddenIn, hiddenOut: handOver?.out };
      await stage.run(firstSlot, step, border, optionsOf[index] ?? this.runOptions);
      if (handOver?.copy !== undefined) {
        const startMs = this.copyListener === undefined ? 0 : performance.now();
        handOver.copy();
        this.copyListener?.({ startMs, durationMs: performance.now() - startMs, bytes: handOver.out.byteLength, tokens: shape.tokens, from: stage.parts.device.id, to: (this.stages[index + 1] as Stage).parts.device.id });
      }
      hiddenIn = handOver?.in;
    }
    return step;
  }

  /** As {@link run}, with options of each stage that record the time of its nodes. */
  async runTimed(firstSlot: number, shape: StepShape, ids: Int32Array, lengths: readonly number[], optionsOf: readonly RunOptions[]): Promise<void> {
    optionsOf.forEach((options) => options.clearTermination());
    this.timedOptions = optionsOf;
    try {
      await this.run(firstSlot, shape, ids, lengths, optionsOf);
    } finally {
      this.timedOptions = [];
    }
  }

  listenToCopies(listener: ((copy: TimedCopy) => void) | undefined): void {
    this.copyListener = listener;
  }

  /** The step under way fails at its next operator. */
  terminate(): void {
    this.runOptions.terminate();
    this.timedOptions.forEach((options) => options.terminate());
  }

  clearTermination(): void {
    this.runOptions.clearTermination();
  }

  /** After the last step, and before the stages are freed. */
  releaseBuffers(): void {
    this.buffers[Symbol.dispose]();
    this.stages.forEach((stage) => stage.releaseBindings());
    this.handOvers.forEach((handOver) => handOver[Symbol.dispose]());
    this.runOptions.dispose();
  }

  /** Hidden states handed from stage `index` to the next: in one tensor when both share a device, from GPU to GPU directly, else through host memory. */
  private handOverAfter(index: number, shape: StepShape): HandOver {
    const [from, to] = [this.stages[index] as Stage, this.stages[index + 1] as Stage];
    const key = `${index}:${shape.slotCount}:${shape.tokens}`;
    const known = this.handOvers.get(key);
    if (known !== undefined) {
      return known;
    }
    const [oldest] = this.handOvers.keys();
    if (this.handOvers.size >= mostHandOvers && oldest !== undefined) {
      this.handOvers.get(oldest)?.[Symbol.dispose]();
      this.handOvers.delete(oldest);
    }
    const handOver = openHandOver(from, to, [shape.slotCount, shape.tokens, this.sizes.hiddenSize], this.hostInfo, to.isMisplaced('hidden'));
    this.handOvers.set(key, handOver);
    return handOver;
  }
}
