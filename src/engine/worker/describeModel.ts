import type { Checkpoint } from '../../checkpoint/checkpoint';
import type { DType } from '../../common/dtype';
import type { ModelDescription } from '../../common/protocol/engine';
import type { GlmConfig } from '../../model/config';
import { countParameters } from '../../model/modelSizes';
import { readSamplingDefaults } from '../../model/samplingDefaults';
import type { GlmTokenizer } from '../../tokenizer/glmTokenizer';

/** What an opened checkpoint is, for people and for views. */
export function describeModel(checkpoint: Checkpoint, config: GlmConfig, tokenizer: GlmTokenizer): ModelDescription {
  return {
    name: checkpoint.name,
    folder: checkpoint.folder,
    architecture: config.architecture,
    numLayers: config.numLayers,
    hiddenSize: config.hiddenSize,
    intermediateSize: config.intermediateSize,
    numHeads: config.numHeads,
    numKvHeads: config.numKvHeads,
    headDim: config.headDim,
    vocabSize: config.vocabSize,
    maxContextTokens: config.maxContextTokens,
    parameterCount: countParameters(config),
    fileDtype: mainDtype(checkpoint),
    fileBytes: checkpoint.fileBytes,
    hasChatTemplate: tokenizer.hasChatTemplate,
    eosTokenIds: tokenizer.eosIds,
    isDemo: /^glm-local-demo\b/.test(checkpoint.name),
    thinks: tokenizer.thinks,
    samplingDefaults: readSamplingDefaults(checkpoint.generationConfigJson),
  };
}

/** The dtype that most of the bytes have. */
export function mainDtype(checkpoint: Checkpoint): DType {
  const bytes = new Map<DType, number>();
  for (const tensor of checkpoint.tensors.values()) {
    bytes.set(tensor.dtype, (bytes.get(tensor.dtype) ?? 0) + tensor.byteLength);
  }
  return [...bytes].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 'bf16';
}
