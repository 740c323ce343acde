/**
 * Decodes several sequences at once on NVIDIA GPUs: per batch size one captured CUDA graph a stage, over buffers that stay where they are.
 *
 * A stage's run is captured on its own stream and replayed without the runtime, which would wait for each. The captured `total_sequence_length` is the
 * maximum. The best 64 logits of each row are picked on the device; whole rows are fetched only when a sampler asks.
 *
 * While rows take the best token each time, the next step is queued before this one's tokens are known here, with the tokens that the device has: then it
 * goes from step to step without a pause. A step that was queued ahead with other tokens than those asked for is run again over the same positions.
 */

import { KernelGraph, KernelModule } from '../../../cuda/kernelModule';
import { CudaEvent, turnUntil } from '../../../cuda/cudaStream';
import { launchPicking, pickedBytes, readTopRows, topCount, type TopLogits } from '../../../cuda/decode/topLogits';
import type { StepLogits } from '../../../generation/stepRunner';
import { stageNames } from '../../../model/stageGraph';
import type { MemoryInfo } from '../../../ort/memory';
import type { IoBinding, RunOptions } from '../../../ort/running';
import { Value } from '../../../ort/value';
import { bindModel, queueingRunOptions } from './cudaBinding';
import { cudaMemoryOf, type CudaStageMemory } from './cudaDevice';
import { CudaHandOver } from './cudaHandOver';
import type { Stage } from './stage';

export interface CudaBatchOptions {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly contextTokens: number;
  readonly maxBatch: number;
  /** The kernels for the last stage's device. */
  readonly kernelImage: Buffer;
}

/** A step that was queued. */
export interface QueuedStep {
  /** Waits for it. @returns false when `isGivenUp` came true before. */
  done(isGivenUp: () => boolean): Promise<boolean>;
  /** Logits by slot, once it is done. Valid until the next step is asked for. */
  logits(): ReadonlyMap<number, StepLogits>;
}

interface Asked {
  readonly slotCount: number;
  readonly tokenOf: ReadonlyMap<number, number>;
  /** Valid positions before the step, of the slots that take part. */
  readonly lengths: readonly number[];
}

interface Running {
  readonly slots: readonly number[];
  readonly lengths: readonly number[];
  readonly queued: QueuedStep;
  /** The best of each slot, once read. */
  best(): ReadonlyMap<number, number> | undefined;
}

export class CudaBatch implements Disposable {
  private readonly bySize = new Map<number, GraphedStages>();
  private readonly kernels: KernelModule;
  /** The step that was asked for last, and the one queued behind it with the tokens that it picks. */
  private latest: Running | undefined;
  private ahead: Running | undefined;

  constructor(
    private readonly stages: readonly Stage[],
    private readonly hostInfo: MemoryInfo,
    private readonly options: CudaBatchOptions,
  ) {
    const { context } = cudaMemoryOf(stages[stages.length - 1] as Stage);
    this.kernels = new KernelModule(context, options.kernelImage);
  }

  /**
   * Queues a step that appends one token to each slot of `tokenOf`. Slots below the highest that take no part get a dummy token at their first free position.
   *
   * @param lengths  Valid positions of every slot before the step.
   * @param mayRunAhead  Whether nothing else waits for the devices, so that a further step may be queued on a guess.
   * @returns undefined when a slot that would be taken along is full.
   */
  tryQueue(tokenOf: ReadonlyMap<number, number>, lengths: readonly number[], mayRunAhead: boolean): QueuedStep | undefined {
    const slots = [...tokenOf.keys()];
    const needed = Math.max(...slots) + 1;
    const slotCount = Math.min(this.options.maxBatch, 2 ** Math.ceil(Math.log2(needed)));
    if (lengths.slice(0, slotCount).some((length) => length >= this.options.contextTokens)) {
      return undefined;
    }
    const graphed = this.graphedFor(slotCount);
    const isAsGuessed = followsBest({ slotCount, tokenOf, lengths: slots.map((slot) => lengths[slot] ?? 0) }, this.latest);
    const dummies = Array.from({ length: slotCount }, (_, slot) => lengths[slot] ?? 0);
    const step =
      isAsGuessed && this.ahead !== undefined
        ? this.ahead
        : this.start(graphed, slots, dummies, BigInt64Array.from({ length: slotCount }, (_, slot) => BigInt(tokenOf.get(slot) ?? 0)));
    this.latest = step;
    const next = dummies.map((length, slot) => (tokenOf.has(slot) ? length + 1 : length));
    this.ahead = isAsGuessed && mayRunAhead && next.every((length) => length < this.options.contextTokens) ? this.start(graphed, slots, next, undefined) : undefined;
    return step.queued;
  }

  [Symbol.dispose](): void {
    this.bySize.forEach((graphed) => graphed[Symbol.dispose]());
    this.bySize.clear();
    this.kernels.dispose();
  }

  private graphedFor(slotCount: number): GraphedStages {
    let graphed = this.bySize.get(slotCount);
    if (graphed === undefined) {
      graphed = new GraphedStages(this.stages, this.hostInfo, this.kernels, this.options, slotCount);
      this.bySize.set(slotCount, graphed);
    }
    return graphed;
  }

  /** @param ids  Undefined: what the step before picked. */
  private start(graphed: GraphedStages, slots: readonly number[], lengths: readonly number[], ids: BigInt64Array | undefined): Running {
    const place = graphed.queue(ids, Int32Array.from(lengths));
    let best: ReadonlyMap<number, number> | undefined;
    return {
      slots,
      lengths: slots.map((slot) => lengths[slot] ?? 0),
      best: () => best,
      queued: {
        done: (isGivenUp) => turnUntil(() => graphed.isDone(place), isGivenUp),
        logits: () => {
          const rows = graphed.read(place);
          best = new Map(slots.map((slot) => [slot, rows[slot]?.ids[0] ?? -1]));
          return new Map(slots.map((slot): [number, StepLogits] => [slot, { top: rows[slot], full: () => Promise.resolve(graphed.readRow(place, slot)) }]));
        },
      },
    };
  }
}

/** Whether a step continues `before` with the same slots and their best tokens. */
export function followsBest({ tokenOf, lengths }: Asked, before: Pick<Running, 'slots' | 'lengths' | 'best'> | undefined): boolean {
  const best = before?.best();
  const slots = [...tokenOf.keys()];
  return (
    before !== undefined &&
    best !== undefined &&
    slots.length === before.slots.length &&
    slots.every((slot, index) => before.slots[index] === slot && lengths[index] === (before.lengths[index] ?? NaN) + 1 && best.get(slot) === tokenOf.get(slot))
  );
}

/** What is read of a step while the next one runs. */
interface Results {
  readonly logits: bigint;
  /** i32[slotCount, 2, 64]. */
  readonly best: bigint;
  readonly end: CudaEvent;
}

/** Bindings, buffers and captured graphs of one batch size. Everything lies at a fixed address. */
class GraphedStages implements Disposable {
  private readonly ids: Value;
  /** Where the last stage leaves the tokens it picked, for the first stage. */
  private readonly fed: Value;
  private readonly logits: Value;
  private readonly best: Value;
  private readonly picked: readonly [Value, Value];
  private readonly results: readonly Results[];
  private readonly parts: readonly GraphedStage[];
  private readonly feeding: CudaHandOver;
  private readonly owned: { readonly memory: CudaStageMemory; readonly value: Value }[] = [];
  private readonly first: CudaStageMemory;
  private readonly last: CudaStageMemory;
  private nextPlace = 0;

  constructor(
    stages: readonly Stage[],
    hostInfo: MemoryInfo,
    private readonly kernels: KernelModule,
    private readonly options: CudaBatchOptions,
    private readonly slotCount: number,
  ) {
    this.first = cudaMemoryOf(stages[0] as Stage);
    this.last = cudaMemoryOf(stages[stages.length - 1] as Stage);
    const { vocabSize, hiddenSize } = options;
    this.ids = this.allocate(this.first, 'i64', [slotCount, 1]);
    this.fed = this.allocate(this.last, 'i64', [slotCount, 1]);
    this.logits = this.allocate(this.last, 'f32', [slotCount, 1, vocabSize]);
    const bytes = (count: number): Value => this.allocate(this.last, 'u8', [count]);
    this.best = bytes(this.bestBytes);
    this.picked = [bytes(pickedBytes(vocabSize, slotCount)), bytes(pickedBytes(vocabSize, slotCount))];
    this.results = [0, 1].map(() => ({ logits: bytes(this.logits.byteLength).dataAddress, best: bytes(this.bestBytes).dataAddress, end: new CudaEvent(this.last.context) }));
    this.feeding = new CudaHandOver(this.last, this.first, 1);
    const hiddenShape = [slotCount, 1, hiddenSize];
    this.parts = stages.map((stage, index) => {
      const memory = cudaMemoryOf(stage);
      const before = stages[index - 1];
      return new GraphedStage(stage, slotCount, before === undefined ? undefined : new CudaHandOver(cudaMemoryOf(before), memory, 1), {
        ids: before === undefined ? this.ids : undefined,
        hiddenIn: before === undefined ? undefined : this.allocate(memory, before.parts.precision.residual, hiddenShape),
        hiddenOut: index === stages.length - 1 ? undefined : this.allocate(memory, stage.parts.precision.residual, hiddenShape),
        logits: index === stages.length - 1 ? this.logits : undefined,
        seqlensK: this.allocate(memory, 'i32', [slotCount]),
        totalSequenceLength: Value.overArray(hostInfo, Int32Array.of(options.contextTokens), 'i32', []),
        logitsFrom: Value.overArray(hostInfo, BigInt64Array.of(-1n), 'i64', [1]),
      });
    });
  }

  /**
   * @param ids  Undefined: what the step before picked.
   * @param lengths  Valid positions of each slot before the step; the operator takes the last index after it, which is the same number.
   * @returns the place of its results.
   */
  queue(ids: BigInt64Array | undefined, lengths: Int32Array): number {
    if (ids === undefined) {
      this.kernels.launch('feedTokens', { grid: [1], threads: 64 }, this.last.stream.native, [this.best.dataAddress, this.fed.dataAddress, this.slotCount]);
      this.feeding.send(this.ids.dataAddress, this.fed.dataAddress, this.ids.byteLength, 0);
    } else {
      this.first.stream.upload(this.ids.dataAddress, ids);
    }
    let before: GraphedStage | undefined;
    for (const part of this.parts) {
      part.queue(lengths, before, () => part === this.parts[this.parts.length - 1] && this.pick());
      before = part;
    }
    this.feeding.release(0);
    const place = this.nextPlace;
    this.nextPlace = (place + 1) % this.results.length;
    const { logits, best, end } = this.resultsAt(place);
    this.last.stream.copy(logits, this.logits.dataAddress, this.logits.byteLength);
    this.last.stream.copy(best, this.best.dataAddress, this.bestBytes);
    this.last.stream.record(end);
    return place;
  }

  isDone(place: number): boolean {
    return this.resultsAt(place).end.isReached();
  }

  read(place: number): readonly TopLogits[] {
    return readTopRows(this.last.context, this.resultsAt(place).best, this.slotCount);
  }

  readRow(place: number, slot: number): Float32Array {
    const row = new Float32Array(this.options.vocabSize);
    this.last.context.download(row, this.resultsAt(place).logits + BigInt(slot * this.options.vocabSize * 4));
    return row;
  }

  [Symbol.dispose](): void {
    this.parts.forEach((part) => part[Symbol.dispose]());
    this.feeding[Symbol.dispose]();
    this.results.forEach(({ end }) => end[Symbol.dispose]());
    this.owned.splice(0).forEach(({ memory, value }) => memory.release(value));
  }

  private get bestBytes(): number {
    return this.slotCount * topCount * 8;
  }

  private resultsAt(place: number): Results {
    return this.results[place] as Results;
  }

  private pick(): void {
    launchPicking((name, grid, threads, args) => this.kernels.launch(name, { grid, threads }, this.last.stream.native, args), {
      vocabSize: this.options.vocabSize,
      rows: this.slotCount,
      logits: this.logits.dataAddress,
      scratch: [this.picked[0].dataAddress, this.picked[1].dataAddress],
      best: this.best.dataAddress,
      state: 0n,
    });
  }

  private allocate(memory: CudaStageMemory, dtype: 'i64' | 'i32' | 'u8' | 'f32' | 'f16' | 'bf16', shape: readonly number[]): Value {
    const value = memory.allocate(dtype, shape);
    this.owned.push({ memory, value });
    return value;
  }
}

interface StageBuffers {
  readonly ids?: Value;
  readonly hiddenIn?: Value;
  readonly hiddenOut?: Value;
  readonly logits?: Value;
  readonly seqlensK: Value;
  readonly totalSequenceLength: Value;
  readonly logitsFrom: Value;
}

class GraphedStage implements Disposable {
  private readonly memory: CudaStageMemory;
  private readonly binding: IoBinding;
  private readonly runOptions: RunOptions;
  private graph: KernelGraph | undefined;

  constructor(
    stage: Stage,
    slotCount: number,
    private readonly handOver: CudaHandOver | undefined,
    private readonly buffers: StageBuffers,
  ) {
    this.memory = cudaMemoryOf(stage);
    this.runOptions = queueingRunOptions(stage.parts.session.library);
    this.binding = bindModel(stage, 0, slotCount);
    const inputs: readonly (readonly [string, Value | undefined])[] = [
      [stageNames.inputIds, buffers.ids],
      [stageNames.hiddenIn, buffers.hiddenIn],
      [stageNames.seqlensK, buffers.seqlensK],
      [stageNames.totalSequenceLength, buffers.totalSequenceLength],
      [stageNames.logitsFrom, stage.parts.placement.hasHead ? buffers.logitsFrom : undefined],
    ];
    inputs.forEach(([name, value]) => value !== undefined && this.binding.bindInput(name, value));
    if (buffers.hiddenOut !== undefined) {
      this.binding.bindOutput(stageNames.hiddenOut, buffers.hiddenOut);
    }
    if (buffers.logits !== undefined) {
      this.binding.bindOutput(stageNames.logits, buffers.logits);
    }
  }

  /** @param after  Queues what belongs to the step behind the stage's run. */
  queue(lengths: Int32Array, before: GraphedStage | undefined, after: () => void): void {
    const { stream, context } = this.memory;
    const { hiddenIn, seqlensK } = this.buffers;
    stream.upload(seqlensK.dataAddress, lengths);
    if (hiddenIn !== undefined && before?.buffers.hiddenOut !== undefined) {
      this.handOver?.send(hiddenIn.dataAddress, before.buffers.hiddenOut.dataAddress, hiddenIn.byteLength, 0);
    }
    if (this.graph === undefined) {
      // Two runs settle what the runtime allocates for this shape. Running a step again writes the same keys and values to the same places.
      this.binding.run(this.runOptions);
      this.binding.run(this.runOptions);
      after();
      this.graph = KernelGraph.capture(context, stream.native, () => {
        this.binding.run(this.runOptions);
        after();
      });
    }
    this.graph.replay(stream.native);
    this.handOver?.release(0);
  }

  [Symbol.dispose](): void {
    this.memory.stream.synchronize();
    this.graph?.dispose();
    this.handOver?.[Symbol.dispose]();
    this.binding.dispose();
    this.runOptions.dispose();
    this.buffers.totalSequenceLength.dispose();
    this.buffers.logitsFrom.dispose();
  }
}
