import { describe, expect, it } from 'vitest';
import { cpuDevice, deviceId } from '../../../../src/common/deviceId';
import { assertProviderPresent } from '../../../../src/engine/worker/assertProvider';

const cpu = { id: cpuDevice, name: 'CPU', provider: 'cpu', freeBytes: 1 } as const;
const gpu = { id: deviceId('cuda', 0), name: 'GPU', provider: 'cuda', freeBytes: 1 } as const;

describe('assertProviderPresent', () => {
  it('refuses a named GPU provider that no device has, with what to do next', () => {
    expect(() => assertProviderPresent('cuda', [cpu])).toThrow(/No NVIDIA GPU.*Set up CUDA/);
    expect(() => assertProviderPresent('webgpu', [cpu, gpu])).toThrow(/WebGPU/);
  });

  it('lets auto and the CPU go on, and a provider that is there', () => {
    assertProviderPresent('auto', [cpu]);
    assertProviderPresent('cpu', [cpu]);
    assertProviderPresent('cuda', [gpu, cpu]);
  });
});
