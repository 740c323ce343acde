import { describe, expect, it } from 'vitest';
import { cudaAttentionKernel } from '../../../../../src/engine/worker/stages/attentionKernel';

const hopper = { computeCapability: 90, headDim: 128, env: {} };

describe('cudaAttentionKernel', () => {
  it.each([
    ['flash', {}],
    ['flash', { computeCapability: 80, headDim: 256 }],
    ['memory-efficient', { headDim: 512 }],
    ['unfused', { computeCapability: 75 }],
    ['unfused', { headDim: 100 }],
    ['cudnn', { env: { ORT_ENABLE_CUDNN_FLASH_ATTENTION: '1' } }],
    ['memory-efficient', { env: { ORT_DISABLE_FLASH_ATTENTION: '1' } }],
    ['unfused', { env: { ORT_DISABLE_FLASH_ATTENTION: '1', ORT_DISABLE_MEMORY_EFFICIENT_ATTENTION: '1' } }],
  ])('is %s for %j', (kernel, changes) => {
    expect(cudaAttentionKernel({ ...hopper, ...changes })).toBe(kernel);
  });
});
