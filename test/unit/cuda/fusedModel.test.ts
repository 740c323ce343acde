import { describe, expect, it } from 'vitest';
import { attentionSharedBytes, defaultTuning, fusedDecodingObstacle, splitsOf, type FusedModel } from '../../../src/cuda/decode/fusedModel';
import { glm9bShape } from '../../fakes/glm9bShape';

const glm9b: FusedModel = { ...glm9bShape, weightBits: 16, contextTokens: 8192 };
const glm32b: FusedModel = { ...glm9b, hiddenSize: 6144, intermediateSize: 23_040, numHeads: 48, numKvHeads: 8 };

/** Compute capability, multiprocessors, and shared memory of a block as NVIDIA's programming guide lists them. */
const turing = { computeCapability: 75, multiprocessorCount: 68, sharedBytesPerBlock: 64 * 1024 };
const ada = { computeCapability: 89, multiprocessorCount: 128, sharedBytesPerBlock: 99 * 1024 };
const hopper = { computeCapability: 90, multiprocessorCount: 132, sharedBytesPerBlock: 227 * 1024 };

describe('fusedDecodingObstacle', () => {
  it.each([16, 8, 4] as const)('serves the released shapes from Ada on in %i bits', (weightBits) => {
    for (const model of [glm9b, glm32b]) {
      expect(fusedDecodingObstacle({ ...model, weightBits }, ada)).toBeUndefined();
      expect(fusedDecodingObstacle({ ...model, weightBits }, hopper)).toBeUndefined();
    }
  });

  it('says what a device or a model lacks', () => {
    expect(fusedDecodingObstacle(glm9b, turing)).toContain('compute capability 7.5');
    expect(fusedDecodingObstacle({ ...glm9b, headDim: 96 }, hopper)).toContain('head dimension of 96');
    expect(fusedDecodingObstacle({ ...glm9b, intermediateSize: 13_700 }, hopper)).toContain('no multiple of 8');
    expect(fusedDecodingObstacle({ ...glm9b, intermediateSize: 32_768 }, ada)).toContain(`a width of 32768 needs ${32_768 * 4 + 128} bytes`);
    expect(fusedDecodingObstacle({ ...glm9b, numHeads: 256, numKvHeads: 1, hiddenSize: 4096 }, ada)).toContain('256 query heads per KV head of 128');
  });
});

describe('attention over runs of positions', () => {
  it('has one block a multiprocessor at most, so that all of them are on the device together', () => {
    for (const model of [glm9b, glm32b, { ...glm9b, numHeads: 96, numKvHeads: 96 }]) {
      for (const device of [turing, ada, hopper]) {
        const splits = splitsOf(model, device, defaultTuning(16));
        expect(splits).toBeGreaterThanOrEqual(1);
        expect(splits === 1 || splits * model.numKvHeads <= device.multiprocessorCount).toBe(true);
      }
    }
  });

  it('fits twice on a multiprocessor of 100 KiB with the shape of 9B', () => {
    expect(2 * attentionSharedBytes(glm9b)).toBeLessThanOrEqual(100 * 1024);
  });
});
