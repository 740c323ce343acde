/** The scales of an int8 KV cache: from the cache folder, or measured now by reading a bundled text with a cache of full width. */

import { throwIfAborted } from '../../../common/errors';
import type { PlacementPlan } from '../../../common/placement';
import { KvMagnitudes, type KvScales } from '../../../model/kvScales';
import type { GlmTokenizer } from '../../../tokenizer/glmTokenizer';
import { checkpointIdentity } from '../packing/packedFile';
import { sourceFiles } from '../packing/packPlan';
import { openStages, type OpenStagesOptions, type StageRunner } from '../stages/openStages';
import { calibrationChat, calibrationTexts } from './calibrationText';
import { kvScaleFile } from './kvScaleFile';

/** Positions of one text that are read; the largest keys and values come early. */
const mostTokens = 512;

/**
 * Opens the model once more than loading does, on the same devices and before the cache proper takes its memory, unless another load has done so before.
 *
 * @throws what {@link openStages} throws.
 */
export async function findKvScales(options: Omit<OpenStagesOptions, 'kvScales'>, tokenizer: GlmTokenizer): Promise<KvScales> {
  const { config, tensors, plan, cacheFolder, signal } = options;
  const file = kvScaleFile(cacheFolder, checkpointIdentity(config, sourceFiles(config, tensors)), plan.weightFormat, config);
  const known = file.tryRead();
  if (known !== undefined) {
    return known;
  }
  const runner = await openStages({ ...options, plan: withPlainCache(plan), maxBatch: 1, captureDecode: false, fusedDecode: false, onProgress: calibrating(options.onProgress) });
  try {
    const scales = await measureKvScales(runner, config, idsInVocabulary(calibrationIds(tokenizer), config.vocabSize), signal);
    file.tryWrite(scales);
    return scales;
  } finally {
    await runner.dispose();
  }
}

/** What loading reports is told as calibrating: another loading follows. */
function calibrating(onProgress: OpenStagesOptions['onProgress']): OpenStagesOptions['onProgress'] {
  return onProgress === undefined ? undefined : (progress) => onProgress(progress.phase === 'packing' ? progress : { ...progress, phase: 'calibrating' });
}

/** Reads each text into slot 0 and keeps how large keys and values got. Leaves the slot empty. */
export async function measureKvScales(runner: StageRunner, shape: ConstructorParameters<typeof KvMagnitudes>[0], texts: readonly (readonly number[])[], signal?: AbortSignal): Promise<KvScales> {
  const magnitudes = new KvMagnitudes(shape);
  for (const text of texts) {
    const ids = Int32Array.from(text.slice(0, Math.min(mostTokens, runner.contextTokens)));
    runner.rewindTo(0, 0);
    for (let start = 0; start < ids.length; start += runner.prefillChunkTokens) {
      throwIfAborted(signal, 'Loading the model');
      // With logits, so that the chunk is done when the call returns.
      await runner.prefill(0, ids.subarray(start, start + runner.prefillChunkTokens), true);
    }
    for (let layerIndex = 0; layerIndex < shape.numLayers; layerIndex += 1) {
      magnitudes.add(layerIndex, await runner.readCache(layerIndex, 0));
    }
  }
  runner.rewindTo(0, 0);
  return magnitudes.scales();
}

/** Each text as the model meets it: after the tokenizer's own prefix, and a conversation in the chat template where there is one. */
export function calibrationIds(tokenizer: GlmTokenizer): readonly (readonly number[])[] {
  const { question, answer } = calibrationChat;
  const chat = tokenizer.hasChatTemplate
    ? [...tokenizer.renderChat({ messages: [{ role: 'user', content: question }, { role: 'assistant', content: answer }], addGenerationPrompt: false }).ids]
    : [...tokenizer.encode(`${question}\n${answer}`, 'special')];
  return [...calibrationTexts.map((text) => [...tokenizer.encode(text, 'special')]), chat];
}

/**
 * Without the ids of a tokenizer that knows more tokens than the model: prompts with them are refused by name, but the model still loads.
 * Where nothing is left, the first ids of the vocabulary stand in.
 */
export function idsInVocabulary(texts: readonly (readonly number[])[], vocabSize: number): readonly (readonly number[])[] {
  const known = texts.map((ids) => ids.filter((id) => id < vocabSize)).filter((ids) => ids.length > 0);
  return known.length > 0 ? known : [Array.from({ length: Math.min(mostTokens, vocabSize) }, (_, id) => id)];
}

/** The same stages with a short cache in the provider's own format. */
function withPlainCache(plan: PlacementPlan): PlacementPlan {
  const contextTokens = Math.min(plan.contextTokens, mostTokens);
  const formatOf = (provider: string): 'f32' | 'bf16' => (provider === 'cuda' ? 'bf16' : 'f32');
  return {
    ...plan,
    contextTokens,
    kvFormat: formatOf(plan.stages[0]?.provider ?? 'cpu'),
    stages: plan.stages.map((stage) => ({ ...stage, kvFormat: formatOf(stage.provider), kvBytes: Math.ceil((stage.kvBytes * 4 * contextTokens) / plan.contextTokens) })),
  };
}
