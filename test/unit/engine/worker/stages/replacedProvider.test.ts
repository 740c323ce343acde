import { describe, expect, it } from 'vitest';
import { cpuDevice, deviceId } from '../../../../../src/common/deviceId';
import type { StagePlacement } from '../../../../../src/common/placement';
import { assertProviderAtWork, onCpuInstead } from '../../../../../src/engine/worker/stages/replacedProvider';

const stage: StagePlacement = { stageIndex: 1, device: deviceId('webgpu', 0), provider: 'webgpu', firstLayer: 0, endLayer: 2, hasEmbedding: true, hasHead: true, weightBytes: 1, kvBytes: 1, activationBytes: 1 };
const session = (providers: readonly string[] | undefined, memory: string) => ({
  assignedNodes: () => providers?.map((provider, index) => ({ name: `n${index}`, operator: 'Mul', provider })),
  inputMemory: () => ({ input_ids: memory }),
});

describe('a provider that the runtime left out', () => {
  it('is noticed when every node and every input is on the CPU', () => {
    expect(() => assertProviderAtWork(session(['CPUExecutionProvider', 'CPUExecutionProvider'], 'Cpu'), stage)).toThrow(/all of stage 1 on the CPU, although it was to be on webgpu:0/);
  });

  it('is not, where some node or the inputs are on the GPU, where nothing is listed, or where the CPU was meant', () => {
    expect(() => assertProviderAtWork(session(['CPUExecutionProvider', 'WebGpuExecutionProvider'], 'Cpu'), stage)).not.toThrow();
    // A provider that lists only what it did not take.
    expect(() => assertProviderAtWork(session(['CPUExecutionProvider'], 'WebGPU_Buf'), stage)).not.toThrow();
    expect(() => assertProviderAtWork(session(undefined, 'Cpu'), stage)).not.toThrow();
    expect(() => assertProviderAtWork(session(['CPUExecutionProvider'], 'Cpu'), { ...stage, device: cpuDevice })).not.toThrow();
  });

  it('leaves the same layers on the CPU, in a format that it can run', () => {
    expect(onCpuInstead(stage, 'int8')).toMatchObject({ device: 'cpu', provider: 'cpu', weightFormat: 'int8', kvFormat: 'f32', firstLayer: 0, endLayer: 2 });
    expect(onCpuInstead(stage, 'f16').weightFormat).toBe('int4');
  });
});
