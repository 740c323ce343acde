import { describe, expect, it } from 'vitest';
import { cudaAttentionKernel } from '../../../../../src/engine/worker/stages/attentionKernel';

const hopper = { computeCapability: 90, headDim: 128, kv: 'bf16', env: {} } as const;

describe('cudaAttentionKernel', () => {
  it.each([
    ['cudnn', {}],
    ['cudnn', { computeCapability: 120, headDim: 256 }],
    ['cudnn', { computeCapability: 86, env: { ORT_ENABLE_CUDNN_FLASH_ATTENTION: '1' } }],
    ['flash', { env: { ORT_ENABLE_CUDNN_FLASH_ATTENTION: '0' } }],
    ['flash', { computeCapability: 80, headDim: 256 }],
    ['memory-efficient', { headDim: 512 }],
    ['unfused', { computeCapability: 75 }],
    ['unfused', { headDim: 100 }],
    ['flash', { kv: 'i8' }],
    ['flash', { kv: 'i8', computeCapability: 80 }],
    ['unfused', { kv: 'i8', computeCapability: 75 }],
    ['memory-efficient', { computeCapability: 89, env: { ORT_DISABLE_FLASH_ATTENTION: '1' } }],
    ['unfused', { env: { ORT_ENABLE_CUDNN_FLASH_ATTENTION: '0', ORT_DISABLE_FLASH_ATTENTION: '1', ORT_DISABLE_MEMORY_EFFICIENT_ATTENTION: '1' } }],
  ] as const)('is %s for %j', (kernel, changes) => {
    expect(cudaAttentionKernel({ ...hopper, ...changes })).toBe(kernel);
  });
});
