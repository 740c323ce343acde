/** Machine code of the fused decode kernels for a model on a device, compiled once and while the weights are still on their way. */

import type { CudaContext } from '../../../cuda/cudaContext';
import { compileFusedKernels } from '../../../cuda/decode/fusedDecoder';
import { fusedDecodingObstacle, type FusedModel } from '../../../cuda/decode/fusedModel';
import type { GlmConfig } from '../../../model/config';
import type { Precision } from '../../../model/precision';
import { rotaryFrequencies } from '../../../model/ropeScaling';

/** What the kernels are specialised for; whether they serve it, `fusedDecodingObstacle` says. */
export function fusedModel(config: GlmConfig, precision: Precision, contextTokens: number): FusedModel {
  return {
    hiddenSize: config.hiddenSize,
    intermediateSize: config.intermediateSize,
    numHeads: config.numHeads,
    numKvHeads: config.numKvHeads,
    headDim: config.headDim,
    rotaryDim: config.rotaryDim,
    vocabSize: config.vocabSize,
    rmsNormEps: config.rmsNormEpsilon,
    ropeTheta: config.ropeTheta,
    rotary: config.ropeScaling === undefined ? undefined : rotaryFrequencies(config),
    hasSandwichNorms: config.architecture === 'glm4',
    hasQkvBias: config.hasQkvBias,
    weightBits: precision.weights === 'int4' ? 4 : precision.weights === 'int8' ? 8 : 16,
    scaleDtype: 'bf16',
    contextTokens,
    kvDtype: precision.kv === 'i8' ? 'i8' : 'bf16',
  };
}

/** By device and model: stages on equal devices, and a second load, need the same. */
const images = new Map<string, Promise<Buffer>>();

/** @throws {KernelCompileError} when NVRTC is not there. */
export function decodeKernelImage(context: CudaContext, model: FusedModel): Promise<Buffer> {
  const key = JSON.stringify([context.facts.computeCapability, context.facts.multiprocessorCount, model]);
  let image = images.get(key);
  if (image === undefined) {
    image = compileFusedKernels(context, model);
    image.catch(() => images.delete(key));
    images.set(key, image);
  }
  return image;
}

/** Begins to compile, which takes two seconds, where the model and the device allow it. What goes wrong is told to who asks for the image. */
export function compileAhead(context: CudaContext, config: GlmConfig, precision: Precision, contextTokens: number): void {
  const model = fusedModel(config, precision, contextTokens);
  if (precision.activations === 'bf16' && fusedDecodingObstacle(model, context.facts) === undefined) {
    decodeKernelImage(context, model).catch(() => undefined);
  }
}
