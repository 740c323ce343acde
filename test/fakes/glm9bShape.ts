import type { FusedModel } from '../../src/cuda/decode/fusedModel';

/** GLM-4-9B-0414, as far as the kernels see it. */
export const glm9bShape: Omit<FusedModel, 'weightBits' | 'contextTokens'> = {
  hiddenSize: 4096,
  intermediateSize: 13_696,
  numHeads: 32,
  numKvHeads: 2,
  headDim: 128,
  rotaryDim: 64,
  vocabSize: 151_552,
  rmsNormEps: 1e-5,
  ropeTheta: 10_000,
  hasSandwichNorms: true,
  hasQkvBias: true,
  scaleDtype: 'bf16',
  kvDtype: 'bf16',
};
