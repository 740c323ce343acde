/** What the fused decode kernels are specialised for, and which models and devices they can't serve. */

import type { CudaDeviceFacts } from '../cudaContext';

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
  /** f32[rotaryDim / 2] and what multiplies cos and sin, where they are not those of `ropeTheta`. */
  readonly rotary?: { readonly inverse: Float32Array; readonly scale: number };
  readonly hasSandwichNorms: boolean;
  readonly hasQkvBias: boolean;
  readonly weightBits: 16 | 8 | 4;
  /** Of quantised weights. */
  readonly scaleDtype: 'f16' | 'bf16';
  readonly contextTokens: number;
  readonly kvDtype: 'bf16' | 'i8';
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

/** What of a device decides how the kernels are cut. */
export type KernelDevice = Pick<CudaDeviceFacts, 'computeCapability' | 'multiprocessorCount' | 'sharedBytesPerBlock'>;

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

/** Static shared memory of the projections: one f32 a warp. */
const scratchBytes = 128;

const widthsOf = ({ hiddenSize, intermediateSize, numHeads, headDim }: FusedModel): readonly number[] => [hiddenSize, intermediateSize, numHeads * headDim];

/** As in kernels/attention.cu. */
const attentionTile = 64;
export const attentionThreads = 256;

/** `sizeof(AttentionSpace)`: queries in two parts, a tile of keys and one of values with rows of 16 bytes more, scores, rescaling factors. */
export function attentionSharedBytes({ numHeads, numKvHeads, headDim }: FusedModel): number {
  const queryRows = Math.ceil(numHeads / numKvHeads / 16) * 16;
  return (2 * queryRows + 2 * attentionTile) * (headDim + 8) * 2 + queryRows * (attentionTile + 4 + 1) * 4;
}

/** What the kernels can't do is decoded with the runtime's kernels; the reason is in words for the log. */
export function fusedDecodingObstacle(model: FusedModel, { computeCapability, sharedBytesPerBlock }: KernelDevice): string | undefined {
  if (computeCapability < 80) {
    return `compute capability ${(computeCapability / 10).toFixed(1)} has no matrix units for bf16, which begin with 8.0`;
  }
  const lane = model.weightBits === 16 ? 8 : 32;
  const widths = widthsOf(model);
  if (widths.some((width) => width % lane !== 0)) {
    return `a width of ${widths.join(', ')} is no multiple of ${lane}`;
  }
  if (![16, 32, 64, 128, 256].includes(model.headDim) || model.rotaryDim % 2 !== 0) {
    return `a head dimension of ${model.headDim} with ${model.rotaryDim} rotary dimensions is not supported`;
  }
  const group = model.numHeads / model.numKvHeads;
  const needs = [
    [attentionSharedBytes(model), `${group} query heads per KV head of ${model.headDim}`],
    [Math.max(...widths) * 4 + scratchBytes, `a width of ${Math.max(...widths)}`],
  ] as const;
  const missing = needs.find(([bytes]) => bytes > sharedBytesPerBlock);
  return missing === undefined ? undefined : `${missing[1]} needs ${missing[0]} bytes of shared memory, the device has ${sharedBytesPerBlock} a block`;
}

/**
 * Most runs of positions per KV head: one block a multiprocessor in all, so that every block of a launch is on the device at once (they wait for each other) and
 * joining stays short.
 */
export function splitsOf(model: FusedModel, { multiprocessorCount }: Pick<KernelDevice, 'multiprocessorCount'>, tuning: FusedTuning): number {
  return tuning.splits ?? Math.max(1, Math.floor(multiprocessorCount / model.numKvHeads));
}

/** Macros of the kernels; kernels/common.cu says what each means. */
export function definesOf(model: FusedModel, tuning: FusedTuning, splits: number): Readonly<Record<string, string | number>> {
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
