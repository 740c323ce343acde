import { describe, expect, it } from 'vitest';
import { decodeReads } from '../../../../src/engine/worker/decodeReads';
import type { ModelSizes, PlacementPlan, StagePlacement } from '../../../../src/common/placement';
import type { DeviceId } from '../../../../src/common/deviceId';

const sizes: ModelSizes = { numLayers: 3, embeddingBytes: 1000, layerBytes: [10, 20, 30], headBytes: 500, kvBytesPerTokenPerLayer: 4, activationBytesPerToken: 1, logitsBytes: 1 };
const stage = (changes: Partial<StagePlacement>): StagePlacement => ({ stageIndex: 0, device: 'cuda:0' as DeviceId, provider: 'cuda', firstLayer: 0, endLayer: 3, hasEmbedding: true, hasHead: true, weightBytes: 1560, kvBytes: 0, activationBytes: 0, ...changes });
const plan = (stages: readonly StagePlacement[]): PlacementPlan => ({ stages, weightFormat: 'bf16', kvFormat: 'bf16', contextTokens: 8, largestContextTokens: 8, largestContextAsPlacedTokens: 8, warnings: [] });

describe('decodeReads', () => {
  it('counts layers and head, not the embedding, and the cache of the stage’s own layers', () => {
    const reads = decodeReads(plan([stage({ endLayer: 2, hasHead: false }), stage({ device: 'cpu' as DeviceId, firstLayer: 2, hasEmbedding: false })]), (each) => (each.device === 'cpu' ? { ...sizes, headBytes: 700 } : sizes));
    expect(reads).toEqual([
      { device: 'cuda:0', weightBytes: 30, kvBytesPerPosition: 8 },
      { device: 'cpu', weightBytes: 730, kvBytesPerPosition: 4 },
    ]);
  });
});
