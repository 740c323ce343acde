import { describe, expect, it } from 'vitest';
import { cpuDevice, deviceId } from '../../../../src/common/deviceId';
import { describePlan } from '../../../../src/extension/model/describePlan';
import { fakeDescription, fakeLoadedModel } from '../../../fakes/fakeEngine';

const gib = 1024 ** 3;
const stage = { stageIndex: 0, provider: 'cuda', hasEmbedding: true, hasHead: false, kvBytes: gib, activationBytes: gib } as const;

describe('describePlan', () => {
  it('tells bytes per device beside what is free there', () => {
    const plan = {
      ...fakeLoadedModel.plan,
      stages: [
        { ...stage, device: deviceId('cuda', 0), firstLayer: 0, endLayer: 20, weightBytes: 8 * gib },
        { ...stage, device: cpuDevice, firstLayer: 20, endLayer: 21, weightBytes: gib },
      ],
      warnings: [{ code: 'stage-on-cpu', message: 'Layer 20 goes to the CPU.' }],
    };
    const { title, detail } = describePlan(fakeDescription, plan, [{ id: deviceId('cuda', 0), kind: 'cuda', name: 'GPU', freeBytes: 20 * gib, source: 'NVML', notes: [] }]);
    expect(title).toBe('Load fake-glm4 (about 13.0 GiB on 2 devices, int4)?');
    expect(detail.split('\n')).toEqual([
      'cuda:0: layers 0–19, 8.0 GiB weights + 1.0 GiB KV cache + 1.0 GiB activations (20.0 GiB free)',
      'cpu: layer 20, 1.0 GiB weights + 1.0 GiB KV cache + 1.0 GiB activations',
      'Context: 4,096 tokens; up to 4,096 would fit.',
      '⚠ Layer 20 goes to the CPU.',
    ]);
  });
});
