/** What a model was loaded with and how large it is, as a report keeps them. Pure. */

import type { LoadedModel, LoadOptions } from '../common/protocol/engine';
import type { LoadSettings, ModelShape } from './report/schema';

export function loadSettingsOf({ plan, kvCache, contextTokens, maxBatch }: LoadedModel, { cpuThreads, accuracyLevel }: Pick<LoadOptions, 'cpuThreads' | 'accuracyLevel'>): LoadSettings {
  return {
    contextTokens,
    maxBatch,
    kvCache,
    stages: plan.stages.map(({ device, firstLayer, endLayer }) => `${device}: layers ${firstLayer} to ${endLayer - 1}`),
    ...(cpuThreads === undefined ? {} : { threads: cpuThreads }),
    ...(accuracyLevel === undefined ? {} : { accuracyLevel }),
  };
}

export function modelShapeOf({ description }: Pick<LoadedModel, 'description'>): ModelShape {
  const { architecture, numLayers, hiddenSize, intermediateSize, numHeads, numKvHeads, headDim, vocabSize, parameterCount } = description;
  return { architecture, numLayers, hiddenSize, intermediateSize, numHeads, numKvHeads, headDim, vocabSize, parameterCount };
}

/** `context 769 for 1 sequence, f32 keys and values, cpu: layers 0 to 5` */
export function describeLoadSettings({ contextTokens, maxBatch, kvCache, stages, threads, accuracyLevel }: LoadSettings): string {
  return [
    `context ${contextTokens.toLocaleString('en-US')} for ${maxBatch} ${maxBatch === 1 ? 'sequence' : 'sequences'}`,
    `${kvCache} keys and values`,
    ...stages,
    ...(threads === undefined ? [] : [`${threads} ${threads === 1 ? 'thread' : 'threads'}`]),
    ...(accuracyLevel === undefined ? [] : [`accuracy level ${accuracyLevel}`]),
  ].join(', ');
}
