/**
 * Decodes one token of one sequence on one stage with the kernels of kernels/, as one captured graph.
 *
 * Weights and KV cache belong to the caller and are shared with ONNX Runtime's prefill graph; this class owns its scratch memory and the graph.
 * Limit: every weight is read once per token, so a step takes at least weightBytes / memory bandwidth.
 */

import type { CudaContext } from '../cudaContext';
import { CudaStream } from '../cudaStream';
import { KernelGraph, KernelModule } from '../kernelModule';
import { compileKernels } from '../nvrtc';
import { kernelSource } from './kernels';
import { timeLaunches, type TimedLaunches } from './kernelTimer';
import { launchPicking, pickedBytes, readTopRows, topCount, type TopLogits } from './topLogits';

/** The numbers that the kernels are specialised for. */
export interface FusedModel {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly rotaryDim: number;
  readonly vocabSize: number;
  readonly rmsNormEps: number;
  readonly ropeTheta: number;
  readonly hasSandwichNorms: boolean;
  readonly hasQkvBias: boolean;
  readonly weightBits: 16 | 8 | 4;
  /** Of quantised weights. */
  readonly scaleDtype: 'f16' | 'bf16';
  readonly contextTokens: number;
  readonly kvDtype: 'bf16' | 'i8';
}

/** Device addresses. Quantised matrices have scales of the model's scaleDtype; the embedding, norms and biases are always bf16. */
export interface FusedMatrix {
  readonly weights: bigint;
  readonly scales?: bigint;
}

export interface FusedLayer {
  readonly inputNorm: bigint;
  readonly q: FusedMatrix;
  readonly k: FusedMatrix;
  readonly v: FusedMatrix;
  readonly qBias?: bigint;
  readonly kBias?: bigint;
  readonly vBias?: bigint;
  readonly o: FusedMatrix;
  readonly postSelfAttentionNorm?: bigint;
  readonly postAttentionNorm: bigint;
  readonly gateUp: FusedMatrix;
  readonly down: FusedMatrix;
  readonly postMlpNorm?: bigint;
  /** kvDtype[numKvHeads, contextTokens, headDim]. */
  readonly keyCache: bigint;
  readonly valueCache: bigint;
  /** f32[numKvHeads, headDim], of a cache in i8. */
  readonly keyScales?: bigint;
  readonly valueScales?: bigint;
}

export interface FusedStage {
  readonly layers: readonly FusedLayer[];
  /** bf16[vocabSize, hiddenSize]; absent on a later stage, whose input arrives in {@link FusedDecoder.hiddenInput}. */
  readonly embedding?: bigint;
  /** Absent on an earlier stage, whose output lies in {@link FusedDecoder.hiddenOutput}. */
  readonly finalNorm?: bigint;
  readonly head?: FusedMatrix;
}

export interface FusedTuning {
  readonly threads: number;
  /** Output rows per warp and round; even. */
  readonly rows: number;
  /** Groups of weights that a lane has on their way per row, while as many are multiplied. */
  readonly depth: number;
  readonly blocksPerMultiprocessor: number;
  /** Programmatic dependent launch: a kernel loads its first weights while the one before it ends. */
  readonly overlap: boolean;
  /** Runs of positions per KV head in attention; undefined fills the device. */
  readonly splits?: number;
}

/** Picked by measurement on H200; see docs/performance.md. */
export function defaultTuning(weightBits: FusedModel['weightBits']): FusedTuning {
  const common = { rows: 2, blocksPerMultiprocessor: 1, overlap: false } as const;
  switch (weightBits) {
    case 16:
      return { ...common, threads: 512, depth: 4 };
    case 8:
      return { ...common, threads: 768, depth: 1 };
    case 4:
      return { ...common, threads: 512, depth: 2 };
    default:
      return weightBits satisfies never;
  }
}

const attentionTileRows = 32;
const joinWays = 4;

/** What the kernels can't do is decoded with the runtime's kernels; the reason is in words for the log. */
export function fusedDecodingObstacle(model: FusedModel): string | undefined {
  const lane = model.weightBits === 16 ? 8 : 32;
  const widths = [model.hiddenSize, model.intermediateSize, model.numHeads * model.headDim];
  if (widths.some((width) => width % lane !== 0)) {
    return `a width of ${widths.join(', ')} is no multiple of ${lane}`;
  }
  if (![16, 32, 64, 128, 256].includes(model.headDim) || model.rotaryDim % 2 !== 0) {
    return `a head dimension of ${model.headDim} with ${model.rotaryDim} rotary dimensions is not supported`;
  }
  const group = model.numHeads / model.numKvHeads;
  const sharedBytes = group * (model.headDim + attentionTileRows + 1) * 4 + attentionTileRows * (2 * model.headDim + 8) * 2;
  return sharedBytes > 48 * 1024 ? `${group} query heads per KV head need ${sharedBytes} bytes of shared memory` : undefined;
}

/**
 * Machine code for one device's architecture; decoders of all slots and stages share it.
 * @throws {KernelCompileError} when NVRTC is not there.
 */
export function compileFusedKernels(context: CudaContext, model: FusedModel, tuning = defaultTuning(model.weightBits), nvrtcLibrary?: string): Promise<Buffer> {
  return compileKernels(kernelSource, context.facts.computeCapability, definesOf(model, tuning, splitsOf(context, model, tuning)), nvrtcLibrary);
}

/** Owns a stream, scratch memory, compiled kernels and the captured step. */
export class FusedDecoder implements Disposable {
  /** i32[2]: the token to decode and its position. A step leaves its best token and the position after it here, so that greedy decoding uploads nothing. */
  private readonly state: bigint;
  /** What `state` holds, as far as this side knows; undefined when a step is under way. */
  private knownState: { readonly tokenId: number | undefined; readonly position: number } | undefined;
  readonly hiddenInput: bigint;
  readonly hiddenOutput: bigint;
  /** f32[vocabSize] of the last step. */
  readonly logits: bigint;
  private readonly best: bigint;
  private readonly allocations: bigint[] = [];
  /** Steps run here in order; what they depend on is queued here too. */
  readonly stream: CudaStream;
  private readonly graph: KernelGraph;
  private allocatedBytes = 0;
  private disposed = false;
  private readonly scratch: Scratch;
  /** Called after each kernel of a step that is timed. */
  private onLaunched: ((name: string) => void) | undefined;

  private constructor(
    private readonly context: CudaContext,
    private readonly model: FusedModel,
    private readonly stage: FusedStage,
    private readonly tuning: FusedTuning,
    private readonly kernels: KernelModule,
  ) {
    const { hiddenSize, vocabSize, numHeads, headDim, contextTokens, rotaryDim } = model;
    this.state = this.allocate(16);
    this.hiddenInput = this.allocate(hiddenSize * 4);
    this.hiddenOutput = this.allocate(hiddenSize * 4);
    this.logits = stage.head === undefined ? 0n : this.allocate(vocabSize * 4);
    this.best = this.allocate(topCount * 8);
    this.scratch = {
      x: [this.allocate(hiddenSize * 4), this.allocate(hiddenSize * 4)],
      delta: this.allocate(hiddenSize * 4),
      qkv: this.allocate((numHeads + 2 * model.numKvHeads) * headDim * 4),
      partial: this.allocate(numHeads * splitsOf(context, model, tuning) * (headDim + 2) * 4),
      attended: this.allocate(numHeads * headDim * 4),
      activated: this.allocate(model.intermediateSize * 4),
      picked: [this.allocate(pickedBytes(vocabSize, 1)), this.allocate(pickedBytes(vocabSize, 1))],
      rotary: this.allocate(contextTokens * (rotaryDim / 2) * 8),
    };
    context.upload(this.scratch.rotary, rotaryTable(model));
    this.stream = new CudaStream(context);
    this.graph = KernelGraph.capture(context, this.stream.native, () => this.launchStep());
  }

  /**
   * Captures the step. {@link fusedDecodingObstacle} must be undefined.
   * @param image  From {@link compileFusedKernels} with the same model and tuning.
   */
  static create(context: CudaContext, model: FusedModel, stage: FusedStage, image: Buffer, tuning = defaultTuning(model.weightBits)): FusedDecoder {
    return new FusedDecoder(context, model, stage, tuning, new KernelModule(context, image));
  }

  /** Device bytes of scratch memory. */
  get scratchBytes(): number {
    return this.allocatedBytes;
  }

  /** Sets what the next step decodes: `tokenId` is appended at `position`. Costs nothing when the device knows already. */
  prepare(tokenId: number, position: number): void {
    if (this.knownState?.tokenId !== tokenId || this.knownState.position !== position) {
      this.stream.upload(this.state, Int32Array.of(tokenId, position));
      this.knownState = { tokenId, position };
    }
  }

  /** Starts a step; results are valid after {@link readTop} or {@link wait}. */
  start(): void {
    this.graph.replay(this.stream.native);
    this.knownState = this.knownState === undefined ? undefined : { tokenId: undefined, position: this.knownState.position + 1 };
  }

  /** Waits for the step, a few milliseconds, on this thread: a detour over a worker thread costs a sixteenth of it. */
  wait(): void {
    this.stream.synchronize();
  }

  /** The best 64 of the last step in descending order, ties by the lower id. Waits for the step. */
  readTop(): TopLogits {
    this.wait();
    const [top] = readTopRows(this.context, this.best, 1) as readonly [TopLogits];
    if (this.knownState !== undefined) {
      this.knownState = { tokenId: top.ids[0], position: this.knownState.position };
    }
    return top;
  }

  /** All logits of the last step, f32[vocabSize]. */
  readLogits(): Float32Array {
    const logits = new Float32Array(this.model.vocabSize);
    this.wait();
    this.context.download(logits, this.logits);
    return logits;
  }

  /**
   * Runs the step kernel by kernel with an event after each, and waits.
   *
   * A device that catches up with the host waits between kernels: while it is `busySteps` of captured steps behind, the host queues what is timed. All of them decode the same token at the same place, which writes the same keys and values.
   *
   * @returns the kernels in their order, and how long queueing them took.
   */
  timeKernels(tokenId: number, position: number, busySteps: number): TimedLaunches {
    const state = Int32Array.of(tokenId, position);
    for (let step = 0; step < busySteps; step += 1) {
      this.stream.upload(this.state, state);
      this.graph.replay(this.stream.native);
    }
    this.stream.upload(this.state, state);
    this.knownState = undefined;
    try {
      return timeLaunches(
        this.stream,
        (onLaunched) => {
          this.onLaunched = onLaunched;
          this.launchStep();
        },
        () => this.wait(),
      );
    } finally {
      this.onLaunched = undefined;
    }
  }

  dispose(): void {
    if (this.disposed) {
      return;
    }
    this.disposed = true;
    this.context.synchronize();
    this.graph.dispose();
    this.kernels.dispose();
    this.stream[Symbol.dispose]();
    this.allocations.splice(0).forEach((address) => this.context.free(address));
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  private allocate(bytes: number): bigint {
    const address = this.context.allocate(bytes);
    this.allocations.push(address);
    this.allocatedBytes += bytes;
    return address;
  }

  private launchStep(): void {
    const { model, stage, scratch } = this;
    const blocks = this.context.facts.multiprocessorCount * this.tuning.blocksPerMultiprocessor;
    const project = (name: string, width: number, args: readonly (bigint | number | Uint8Array)[]): void =>
      this.launch(name, [blocks], this.tuning.threads, args, width * 4);
    const querySize = model.numHeads * model.headDim;
    const position = this.state + 4n;
    let current = stage.embedding === undefined ? this.hiddenInput : scratch.x[0];
    let spare = scratch.x[1];
    let other = scratch.x[0];
    if (stage.embedding !== undefined) {
      this.launch('embedToken', [1], 256, [this.state, stage.embedding, current]);
    }
    /** Kernels that add the pending delta write the sum to the buffer that is not being read. */
    const advance = (): void => {
      current = spare;
      spare = other;
      other = current;
    };
    let pending = 0n;
    let normAfter = 0n;
    for (const layer of stage.layers) {
      project('projectQkv', model.hiddenSize, [current, pending, normAfter, layer.inputNorm, spare, matrix(layer.q), matrix(layer.k), matrix(layer.v), layer.qBias ?? 0n, layer.kBias ?? 0n, layer.vBias ?? 0n, scratch.qkv]);
      advance();
      this.launch('attendRun', [model.numKvHeads, splitsOf(this.context, model, this.tuning)], 256, [scratch.qkv, layer.keyCache, layer.valueCache, layer.keyScales ?? 0n, layer.valueScales ?? 0n, scratch.rotary, position, scratch.partial]);
      this.launch('joinRuns', [model.numHeads], model.headDim * joinWays, [scratch.partial, position, scratch.attended]);
      project('projectOutput', querySize, [scratch.attended, matrix(layer.o), scratch.delta]);
      project('projectGateUp', model.hiddenSize, [current, scratch.delta, layer.postSelfAttentionNorm ?? 0n, layer.postAttentionNorm, spare, matrix(layer.gateUp), scratch.activated]);
      advance();
      project('projectDown', model.intermediateSize, [scratch.activated, matrix(layer.down), scratch.delta]);
      pending = scratch.delta;
      normAfter = layer.postMlpNorm ?? 0n;
    }
    if (stage.head !== undefined && stage.finalNorm !== undefined) {
      project('projectLogits', model.hiddenSize, [current, pending, normAfter, stage.finalNorm, matrix(stage.head), this.logits]);
      launchPicking((name, grid, threads, args) => this.launch(name, grid, threads, args), { vocabSize: model.vocabSize, rows: 1, logits: this.logits, scratch: scratch.picked, best: this.best, state: this.state });
    } else {
      this.launch('finishStage', [1], this.tuning.threads, [current, pending, normAfter, this.hiddenOutput, position]);
    }
  }

  private launch(name: string, grid: readonly [number, number?], threads: number, args: readonly (bigint | number | Uint8Array)[], sharedBytes = 0): void {
    this.kernels.launch(name, { grid, threads, sharedBytes, overlapsPrevious: this.tuning.overlap }, this.stream.native, args);
    this.onLaunched?.(name);
  }
}

interface Scratch {
  /** The residual, twice: one is read while the other is written. */
  readonly x: readonly [bigint, bigint];
  readonly delta: bigint;
  readonly qkv: bigint;
  readonly partial: bigint;
  readonly attended: bigint;
  readonly activated: bigint;
  readonly picked: readonly [bigint, bigint];
  readonly rotary: bigint;
}

/** `struct Matrix` of kernels/rows.cu. */
function matrix(value: FusedMatrix): Uint8Array {
  return new Uint8Array(BigUint64Array.of(value.weights, value.scales ?? 0n).buffer);
}

/** Runs of positions per KV head: together four blocks per multiprocessor, so that attention fills the device and joining stays short. */
function splitsOf(context: CudaContext, model: FusedModel, tuning: FusedTuning): number {
  return tuning.splits ?? Math.max(1, Math.min(256, Math.floor((4 * context.facts.multiprocessorCount) / model.numKvHeads)));
}

function definesOf(model: FusedModel, tuning: FusedTuning, splits: number): Readonly<Record<string, string | number>> {
  return {
    HIDDEN: model.hiddenSize,
    INTERMEDIATE: model.intermediateSize,
    HEADS: model.numHeads,
    KV_HEADS: model.numKvHeads,
    HEAD_DIM: model.headDim,
    ROTARY: model.rotaryDim,
    VOCAB: model.vocabSize,
    SANDWICH: model.hasSandwichNorms ? 1 : 0,
    QKV_BIAS: model.hasQkvBias ? 1 : 0,
    EPS: `${model.rmsNormEps.toExponential()}f`,
    WEIGHT_BITS: model.weightBits,
    SCALE_BF16: model.scaleDtype === 'bf16' ? 1 : 0,
    CONTEXT: model.contextTokens,
    KV_BITS: model.kvDtype === 'i8' ? 8 : 16,
    THREADS: tuning.threads,
    ROWS: tuning.rows,
    DEPTH: tuning.depth,
    SPLITS: splits,
  };
}

/** (cos, sin) of position · theta^(−2i / rotaryDim), f32[contextTokens, rotaryDim / 2, 2]. */
function rotaryTable(model: FusedModel): Float32Array {
  const half = model.rotaryDim / 2;
  const table = new Float32Array(model.contextTokens * half * 2);
  const frequencies = Float32Array.from({ length: half }, (_, i) => model.ropeTheta ** ((-2 * i) / model.rotaryDim));
  for (let position = 0; position < model.contextTokens; position += 1) {
    for (let i = 0; i < half; i += 1) {
      const angle = Math.fround(position * (frequencies[i] ?? 0));
      table[(position * half + i) * 2] = Math.cos(angle);
      table[(position * half + i) * 2 + 1] = Math.sin(angle);
    }
  }
  return table;
}
