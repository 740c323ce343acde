/** Builders that fill what a plan test does not care about. */

import { tryParseDeviceId } from '../../../../src/common/deviceId';
import type { DeviceBudget, MemoryNeed, ModelSizes, PlacementFormats } from '../../../../src/common/placement';

export const gib = 2 ** 30;

export function device(name: string, freeBytes: number, rest: Partial<DeviceBudget> = {}): DeviceBudget {
  const id = tryParseDeviceId(name);
  if (id === undefined) {
    throw new Error(`no device name: ${name}`);
  }
  return { id, name, provider: name.startsWith('cuda') ? 'cuda' : name.startsWith('webgpu') ? 'webgpu' : 'cpu', freeBytes, ...rest };
}

export function sizes(rest: Partial<ModelSizes> & { readonly numLayers: number }): ModelSizes {
  return {
    embeddingBytes: 0,
    headBytes: 0,
    layerBytes: Array.from({ length: rest.numLayers }, () => 100),
    kvBytesPerTokenPerLayer: 0,
    activationBytesPerToken: 0,
    logitsBytes: 0,
    ...rest,
  };
}

export const need = (rest: Partial<MemoryNeed> = {}): MemoryNeed => ({ contextTokens: 1, maxBatch: 1, prefillChunkTokens: 1, headroomBytes: 0, ...rest });

/** GLM-4-9B-0414 in bf16, as its config gives it: 40 layers, hidden 4,096, intermediate 13,696, 2 KV heads of 128, vocabulary 151,552, untied. */
export const glm9b: ModelSizes = sizes({
  numLayers: 40,
  layerBytes: Array.from({ length: 40 }, () => 2 * (4096 * 4096 + 4096 * 512 + 4096 * 4096 + 3 * 4096 * 13696 + 4 * 4096 + 4608)),
  embeddingBytes: 2 * 151552 * 4096,
  headBytes: 2 * (151552 * 4096 + 4096),
  kvBytesPerTokenPerLayer: 2 * 2 * 128 * 2,
  activationBytesPerToken: 4 * (4096 * 4 + 13696 * 3),
  logitsBytes: 4 * 151552,
});

export const int4: PlacementFormats = { weightFormat: 'int4', kvFormat: 'f16' };
