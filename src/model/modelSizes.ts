/** Bytes of a model's parts before anything is loaded, for the planner and the memory estimate. */

import type { ProviderKind } from '../common/deviceId';
import { dtypeBytes, type DType, type KvFormat, type WeightFormat } from '../common/dtype';
import type { ModelSizes } from '../common/placement';
import type { GlmConfig } from './config';
import { precisionFor, type Precision } from './precision';
import { storedTensorsOf } from './storedTensors';
import { listLayerSpecs, listModelSpecs, listSources, modelWeightSpecs, type WeightSpec } from './weightSpecs';

/** Parameters of the checkpoint; a tied head counts once. */
export function countParameters(config: GlmConfig): number {
  const sizes = new Map(
    listModelSpecs(modelWeightSpecs(config))
      .flatMap(listSources)
      .map(({ tensor, shape }) => [tensor, shape.reduce((product, size) => product * size, 1)]),
  );
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

/**
 * Bytes by part in one weight format.
 *
 * @param options.provider   Decides the dtypes beside the weights' own; `cpu` when absent.
 * @param options.fileDtype  The checkpoint's dtype, which the embedding keeps on the CPU; bf16 when absent.
 */
export function modelSizes(config: GlmConfig, weights: WeightFormat, kv: KvFormat, options: { readonly provider?: ProviderKind; readonly fileDtype?: DType } = {}): ModelSizes {
  return sizesFor(config, precisionFor(options.provider ?? 'cpu', weights, { kv }), kv, options.fileDtype ?? 'bf16');
}

function sizesFor(config: GlmConfig, precision: Precision, kv: KvFormat, fileDtype: DType): ModelSizes {
  const specs = modelWeightSpecs(config);
  const bytesOf = (list: readonly WeightSpec[]): number =>
    list.flatMap((spec) => storedTensorsOf(spec, precision, () => fileDtype)).reduce((sum, stored) => sum + stored.byteLength, 0);
  const activationBytes = dtypeBytes[precision.activations];
  const kvBytes = kv === 'int8' ? 1 : dtypeBytes[kv];
  const qkvWidth = (config.numHeads + 2 * config.numKvHeads) * config.headDim;
  // The widest points: the MLP holds gate and up twice over (joined, then split) with its input; the attention its packed input and output.
  const mlpWidth = 5 * config.intermediateSize;
  const attentionWidth = 2 * qkvWidth + config.numHeads * config.headDim;
  return {
    numLayers: config.numLayers,
    embeddingBytes: bytesOf([specs.embedding]),
    layerBytes: specs.layers.map((layer) => bytesOf(listLayerSpecs(layer))),
    headBytes: bytesOf([specs.finalNorm, specs.head]),
    kvBytesPerTokenPerLayer: 2 * config.numKvHeads * config.headDim * kvBytes,
    ...(kv === 'int8' && precision.provider === 'cuda' ? { widenedKvBytesPerToken: 2 * config.numKvHeads * config.headDim * activationBytes } : {}),
    activationBytesPerToken: Math.max(mlpWidth, attentionWidth) * activationBytes + 3 * config.hiddenSize * dtypeBytes[precision.residual],
    logitsBytes: config.vocabSize * 4,
  };
}
