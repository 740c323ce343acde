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
import { attentionSharedBytes, attentionThreads, defaultTuning, definesOf, splitsOf, type FusedModel, type FusedTuning } from './fusedModel';
import { timeLaunches, type TimedLaunches } from './kernelTimer';
import { launchPicking, pickedBytes, readTopRows, topCount, type TopLogits } from './topLogits';

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

/**
 * Machine code for one device's architecture; decoders of all slots and stages share it.
 * @throws {KernelCompileError} when NVRTC is not there.
 */
export function compileFusedKernels(context: CudaContext, model: FusedModel, tuning = defaultTuning(model.weightBits), nvrtcLibrary?: string): Promise<Buffer> {
  return compileKernels(kernelSource, context.facts.computeCapability, definesOf(model, tuning, splitsOf(model, context.facts, tuning)), nvrtcLibrary);
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
    const numRuns = numHeads * splitsOf(model, context.facts, tuning);
    this.scratch = {
      x: [this.allocate(hiddenSize * 4), this.allocate(hiddenSize * 4)],
      delta: this.allocate(hiddenSize * 4),
      qkv: this.allocate((numHeads + 2 * model.numKvHeads) * headDim * 4),
      partial: this.allocate(numRuns * headDim * 4),
      sums: this.allocate(numRuns * 8),
      counters: this.allocate(model.numKvHeads * 8),
      attended: this.allocate(numHeads * headDim * 4),
      activated: this.allocate(model.intermediateSize * 4),
      picked: [this.allocate(pickedBytes(vocabSize, 1)), this.allocate(pickedBytes(vocabSize, 1))],
      rotary: this.allocate(contextTokens * (rotaryDim / 2) * 8),
    };
    context.upload(this.scratch.rotary, rotaryTable(model));
    context.upload(this.scratch.counters, new Uint32Array(2 * model.numKvHeads));
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
      this.attend(layer, position);
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

  private attend({ keyCache, valueCache, keyScales = 0n, valueScales = 0n }: FusedLayer, position: bigint): void {
    const { model, scratch } = this;
    const splits = splitsOf(model, this.context.facts, this.tuning);
    const args = [scratch.qkv, keyCache, valueCache, keyScales, valueScales, scratch.rotary, position, scratch.partial, scratch.sums, scratch.counters, scratch.attended];
    this.launch('attendToken', [model.numKvHeads, splits], attentionThreads, args, attentionSharedBytes(model), splits > 1);
  }

  private launch(name: string, grid: readonly [number, number?], threads: number, args: readonly (bigint | number | Uint8Array)[], sharedBytes = 0, isCooperative = false): void {
    this.kernels.launch(name, { grid, threads, sharedBytes, isCooperative, overlapsPrevious: this.tuning.overlap }, this.stream.native, args);
    this.onLaunched?.(name);
  }
}

interface Scratch {
  /** The residual, twice: one is read while the other is written. */
  readonly x: readonly [bigint, bigint];
  readonly delta: bigint;
  readonly qkv: bigint;
  readonly partial: bigint;
  readonly sums: bigint;
  readonly counters: bigint;
  readonly attended: bigint;
  readonly activated: bigint;
  readonly picked: readonly [bigint, bigint];
  readonly rotary: bigint;
}

/** `struct Matrix` of kernels/rows.cu. */
function matrix(value: FusedMatrix): Uint8Array {
  return new Uint8Array(BigUint64Array.of(value.weights, value.scales ?? 0n).buffer);
}

/** (cos, sin) of position · theta^(−2i / rotaryDim) or of the model's own frequencies, f32[contextTokens, rotaryDim / 2, 2]. */
function rotaryTable(model: FusedModel): Float32Array {
  const half = model.rotaryDim / 2;
  const table = new Float32Array(model.contextTokens * half * 2);
  const frequencies = model.rotary?.inverse ?? Float32Array.from({ length: half }, (_, i) => model.ropeTheta ** ((-2 * i) / model.rotaryDim));
  const scale = model.rotary?.scale ?? 1;
  for (let position = 0; position < model.contextTokens; position += 1) {
    for (let i = 0; i < half; i += 1) {
      const angle = Math.fround(position * (frequencies[i] ?? 0));
      table[(position * half + i) * 2] = scale * Math.cos(angle);
      table[(position * half + i) * 2 + 1] = scale * Math.sin(angle);
    }
  }
  return table;
}
