/**
 * Reads prompts on NVIDIA GPUs without waiting between chunks: every stage's part of a chunk is queued on that stage's stream, and the stages are ordered by events.
 *
 * So a GPU goes from one chunk to the next without a pause, and with several GPUs each works on another chunk at the same time. Host tensors would make
 * the runtime wait, so ids, lengths and logits lie on the device.
 */

import { KernelModule } from '../../../cuda/kernelModule';
import { CudaEvent, turnUntil } from '../../../cuda/cudaStream';
import { launchPicking, pickedBytes, readTopRows, topCount } from '../../../cuda/decode/topLogits';
import type { StepLogits } from '../../../generation/stepRunner';
import { stageNames } from '../../../model/stageGraph';
import { MemoryInfo } from '../../../ort/memory';
import type { IoBinding, RunOptions } from '../../../ort/running';
import { Value } from '../../../ort/value';
import { bindModel, queueingRunOptions } from './cudaBinding';
import { cudaMemoryOf, type CudaStageMemory } from './cudaDevice';
import { CudaHandOver } from './cudaHandOver';
import type { Stage } from './stage';

export interface CudaPrefillOptions {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly maxChunkTokens: number;
  /** The kernels for the last stage's device. */
  readonly kernelImage: Buffer;
}

/** A chunk that was queued. */
export interface QueuedChunk {
  /** Waits for it. @returns false when `isGivenUp` came true before. */
  done(isGivenUp: () => boolean): Promise<boolean>;
  /** The logits after the chunk's last token, once it is done; only where they were asked for. Valid for as many further chunks as may be queued at a time. */
  logits(): StepLogits;
}

/** Buffers of the receiving stage: one is read while the next is written. */
const handOverPlaces = 2;

export class CudaPrefill implements Disposable {
  /** Most chunks queued at a time: one per stage and one that waits, so that no stage runs dry while the host prepares. */
  readonly mostQueued: number;
  private readonly parts: readonly PrefillStage[];
  private readonly kernels: KernelModule;
  private readonly last: CudaStageMemory;
  private readonly picked: readonly [Value, Value];
  private readonly answers: readonly { readonly logits: Value; readonly best: Value }[];
  private nextAnswer = 0;
  private nextPlace = 0;
  /** Chunks get numbers in the order of their coming, which is the order in which they are done. */
  private readonly queued: { readonly number: number; readonly end: CudaEvent }[] = [];
  private nextNumber = 0;

  constructor(
    stages: readonly Stage[],
    hostInfo: MemoryInfo,
    private readonly options: CudaPrefillOptions,
  ) {
    const { vocabSize } = options;
    this.mostQueued = stages.length + 1;
    this.last = cudaMemoryOf(stages[stages.length - 1] as Stage);
    this.kernels = new KernelModule(this.last.context, options.kernelImage);
    const scratch = (): Value => this.last.allocate('u8', [pickedBytes(vocabSize, 1)]);
    this.picked = [scratch(), scratch()];
    // Whoever asked reads at the latest when the chunks after it are done, of which there are at most so many.
    this.answers = Array.from({ length: this.mostQueued + 2 }, () => ({ logits: this.last.allocate('f32', [1, 1, vocabSize]), best: this.last.allocate('u8', [topCount * 8]) }));
    this.parts = stages.map((stage, index) => new PrefillStage(stage, stages[index - 1], hostInfo, options));
  }

  /** Whether the devices still work on a chunk. */
  get isBusy(): boolean {
    return this.firstUndone() < this.nextNumber;
  }

  /**
   * Waits until another chunk may be queued.
   *
   * @param isShort  One chunk less than usual, so that what comes between chunks waits less.
   * @returns false when `isGivenUp` came true before.
   */
  room(isShort: boolean, isGivenUp: () => boolean): Promise<boolean> {
    const most = isShort ? this.mostQueued - 1 : this.mostQueued;
    return turnUntil(() => this.firstUndone() > this.nextNumber - most, isGivenUp);
  }

  /** Queues `ids` for a slot that holds `lengthBefore` positions. */
  enqueue(slot: number, ids: Int32Array, lengthBefore: number, wantLogits: boolean): QueuedChunk {
    const answer = this.answers[this.nextAnswer] as { readonly logits: Value; readonly best: Value };
    const place = this.nextPlace;
    this.nextPlace = (place + 1) % handOverPlaces;
    let before: PrefillStage | undefined;
    for (const part of this.parts) {
      part.run(slot, ids, lengthBefore, place, before, answer.logits);
      before = part;
    }
    if (wantLogits) {
      this.nextAnswer = (this.nextAnswer + 1) % this.answers.length;
      launchPicking((name, grid, threads, args) => this.kernels.launch(name, { grid, threads }, this.last.stream.native, args), {
        vocabSize: this.options.vocabSize,
        rows: 1,
        logits: answer.logits.dataAddress,
        scratch: [this.picked[0].dataAddress, this.picked[1].dataAddress],
        best: answer.best.dataAddress,
        state: 0n,
      });
    }
    const end = new CudaEvent(this.last.context);
    this.last.stream.record(end);
    const number = this.nextNumber;
    this.nextNumber += 1;
    this.queued.push({ number, end });
    return { done: (isGivenUp) => turnUntil(() => this.firstUndone() > number, isGivenUp), logits: () => this.read(answer) };
  }

  [Symbol.dispose](): void {
    this.parts.forEach((part) => part[Symbol.dispose]());
    this.kernels.dispose();
    [...this.picked, ...this.answers.flatMap(({ logits, best }) => [logits, best])].forEach((value) => this.last.release(value));
    this.queued.splice(0).forEach(({ end }) => end[Symbol.dispose]());
  }

  /** The number of the first chunk that the devices still work on. */
  private firstUndone(): number {
    let first = this.queued[0];
    while (first?.end.isReached() === true) {
      first.end[Symbol.dispose]();
      this.queued.shift();
      first = this.queued[0];
    }
    return first?.number ?? this.nextNumber;
  }

  private read({ logits, best }: { readonly logits: Value; readonly best: Value }): StepLogits {
    const { context } = this.last;
    const [top] = readTopRows(context, best.dataAddress, 1);
    return {
      top,
      full: () => {
        const row = new Float32Array(this.options.vocabSize);
        context.download(row, logits.dataAddress);
        return Promise.resolve(row);
      },
    };
  }
}

/** One stage's buffers and bindings. A buffer that only its own stream touches needs no second copy: the next chunk's work comes after this one's. */
class PrefillStage implements Disposable {
  readonly memory: CudaStageMemory;
  private readonly bindings = new Map<number, IoBinding>();
  private readonly runOptions: RunOptions;
  private readonly handOver: CudaHandOver | undefined;
  private readonly info: MemoryInfo;
  private readonly owned: Value[] = [];
  private readonly ids: Value;
  private readonly seqlensK: Value;
  private readonly total = new Int32Array(1);
  private readonly totalValue: Value;
  private readonly logitsFrom: Value;
  private readonly received: readonly Value[];
  private readonly sent: Value | undefined;

  constructor(
    private readonly stage: Stage,
    before: Stage | undefined,
    hostInfo: MemoryInfo,
    private readonly options: CudaPrefillOptions,
  ) {
    const { maxChunkTokens, hiddenSize } = options;
    const { placement, precision, session } = stage.parts;
    this.memory = cudaMemoryOf(stage);
    this.info = new MemoryInfo(session.library, 'Cuda', this.memory.context.ordinal);
    this.runOptions = queueingRunOptions(session.library);
    const allocate = (...args: Parameters<CudaStageMemory['allocate']>): Value => {
      const value = this.memory.allocate(...args);
      this.owned.push(value);
      return value;
    };
    this.ids = allocate('i64', [1, maxChunkTokens]);
    this.seqlensK = allocate('i32', [1]);
    this.totalValue = Value.overArray(hostInfo, this.total, 'i32', []);
    this.logitsFrom = Value.overArray(hostInfo, BigInt64Array.of(-1n), 'i64', [1]);
    const received = before?.parts.precision.residual;
    this.received = received === undefined ? [] : Array.from({ length: handOverPlaces }, () => allocate(received, [1, maxChunkTokens, hiddenSize]));
    this.sent = placement.hasHead ? undefined : allocate(precision.residual, [1, maxChunkTokens, hiddenSize]);
    this.handOver = before === undefined ? undefined : new CudaHandOver(cudaMemoryOf(before), this.memory, handOverPlaces);
  }

  /** @param logits  Where the last stage leaves the logits of the chunk's last position. */
  run(slot: number, ids: Int32Array, lengthBefore: number, place: number, before: PrefillStage | undefined, logits: Value): void {
    const { stream } = this.memory;
    const { placement } = this.stage.parts;
    const tokens = ids.length;
    const end = lengthBefore + tokens;
    let binding = this.bindings.get(slot);
    if (binding === undefined) {
      binding = bindModel(this.stage, slot, 1);
      this.bindings.set(slot, binding);
    }
    const views: Value[] = [];
    const view = (whole: Value, shape: readonly number[]): Value => {
      const value = Value.overAddress(this.info, whole.dataAddress, whole.dtype, shape);
      views.push(value);
      return value;
    };
    const hiddenShape = [1, tokens, this.options.hiddenSize];
    if (placement.hasEmbedding) {
      stream.upload(this.ids.dataAddress, BigInt64Array.from(ids, BigInt));
      binding.bindInput(stageNames.inputIds, view(this.ids, [1, tokens]));
    } else if (before?.sent !== undefined) {
      const received = view(this.received[place] as Value, hiddenShape);
      this.handOver?.send(received.dataAddress, before.sent.dataAddress, received.byteLength, place);
      binding.bindInput(stageNames.hiddenIn, received);
    }
    stream.upload(this.seqlensK.dataAddress, Int32Array.of(end - 1));
    this.total[0] = end; // Read on the host while the run is queued.
    binding.bindInput(stageNames.seqlensK, this.seqlensK).bindInput(stageNames.totalSequenceLength, this.totalValue);
    if (placement.hasHead) {
      binding.bindInput(stageNames.logitsFrom, this.logitsFrom).bindOutput(stageNames.logits, logits);
    } else if (this.sent !== undefined) {
      binding.bindOutput(stageNames.hiddenOut, view(this.sent, hiddenShape));
    }
    binding.run(this.runOptions);
    this.handOver?.release(place);
    // The binding holds on to the tensors' descriptions by itself.
    views.forEach((value) => value.dispose());
  }

  [Symbol.dispose](): void {
    this.memory.stream.synchronize();
    this.bindings.forEach((binding) => binding.dispose());
    this.bindings.clear();
    this.handOver?.[Symbol.dispose]();
    this.runOptions.dispose();
    [this.totalValue, this.logitsFrom].forEach((value) => value.dispose());
    this.owned.splice(0).forEach((value) => this.memory.release(value));
    this.info.dispose();
  }
}
