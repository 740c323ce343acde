import { describe, expect, it } from 'vitest';
import type { BoundTensor, OtherModel } from '../../../../src/alignment/facts';
import type { AlignmentMessage } from '../../../../src/common/alignment';
import { cpuDevice, deviceId } from '../../../../src/common/deviceId';
import { silentLog } from '../../../../src/common/log';
import { AlignmentWatch } from '../../../../src/engine/worker/alignmentWatch';
import { fakeLoadedModel } from '../../../fakes/fakeEngine';

const gpu = deviceId('cuda', 0);
const stage = { stageIndex: 0, device: gpu, provider: 'cuda', firstLayer: 0, endLayer: 2, hasEmbedding: true, hasHead: true, weightBytes: 0, kvBytes: 0, activationBytes: 0 } as const;
const loaded = {
  ...fakeLoadedModel,
  plan: { ...fakeLoadedModel.plan, stages: [stage] },
  assignments: [{ stageIndex: 0, device: gpu, provider: 'cuda', inputMemory: { input_ids: 'Cuda:0' }, outputMemory: {} }],
  memory: [],
} as const;
const ids = (device: BoundTensor['device']): BoundTensor => ({ stageIndex: 0, name: 'input_ids', direction: 'input', role: 'step', device, bytesPerToken: 8 });

function watch(where: { tensors: readonly BoundTensor[] | (() => never); others?: readonly OtherModel[] }, costs?: Record<string, number>) {
  const told: AlignmentMessage[] = [];
  const boundTensors = (): readonly BoundTensor[] => (typeof where.tensors === 'function' ? where.tensors() : where.tensors);
  const watched = new AlignmentWatch({
    loaded,
    runner: { boundTensors, memoryUse: () => [] },
    options: { alignment: 'warn', allowSoftwareGpu: false, alignmentCostsMs: costs },
    devicesAtPlan: [],
    devicesNow: [],
    otherModels: () => where.others ?? [],
    log: silentLog,
    onMessage: (message) => told.push(message),
  });
  return { watched, told };
}

describe('AlignmentWatch', () => {
  it('tells a cause once, however often it is met, with its measured cost', () => {
    const { watched, told } = watch({ tensors: [ids(cpuDevice)] }, { 'host-bound-inputs:input_ids': 0.25 });
    watched.look();
    watched.look();
    expect(told.map(({ kind, costMsPerToken }) => [kind, costMsPerToken])).toEqual([['host-bound-inputs', 0.25]]);
    expect(watched.messages).toEqual(told);
  });

  it('tells when another engine has loaded a model on the same device meanwhile', () => {
    const where: Parameters<typeof watch>[0] = { tensors: [ids(gpu)] };
    const { watched, told } = watch(where);
    watched.look();
    expect(told).toEqual([]);
    where.others = [{ name: 'GLM-Z1', devices: [gpu] }];
    watched.look();
    expect(told.map(({ kind, consumerDevice }) => [kind, consumerDevice])).toEqual([['devices-shared', gpu]]);
  });

  it('tells what appears only during a generation', () => {
    const where = { tensors: [ids(gpu)] };
    const { watched, told } = watch(where);
    watched.look();
    expect(told).toEqual([]);
    where.tensors = [ids(cpuDevice)];
    watched.look();
    expect(told).toHaveLength(1);
  });

  it('does not let a failure to look reach the generation', () => {
    const { watched, told } = watch({
      tensors: () => {
        throw new Error('gone');
      },
    });
    expect(() => watched.look()).not.toThrow();
    expect(told).toEqual([]);
  });
});
