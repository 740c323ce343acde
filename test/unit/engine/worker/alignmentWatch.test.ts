import { describe, expect, it } from 'vitest';
import type { BoundTensor, OtherModel } from '../../../../src/alignment/facts';
import type { AlignmentMessage } from '../../../../src/common/alignment';
import { cpuDevice, deviceId } from '../../../../src/common/deviceId';
import { silentLog } from '../../../../src/common/log';
import { AlignmentWatch } from '../../../../src/engine/worker/alignmentWatch';
import { fakeLoadedModel } from '../../../fakes/fakeEngine';

const gpu = deviceId('cuda', 0);
const gibibyte = 2 ** 30;
const stage = { stageIndex: 0, device: gpu, provider: 'cuda', firstLayer: 0, endLayer: 2, hasEmbedding: true, hasHead: true, weightBytes: 0, kvBytes: 0, activationBytes: 0 } as const;
const loaded = {
  ...fakeLoadedModel,
  plan: { ...fakeLoadedModel.plan, stages: [stage] },
  assignments: [{ stageIndex: 0, device: gpu, provider: 'cuda', inputMemory: { input_ids: 'Cuda:0' }, outputMemory: {} }],
  memory: [],
} as const;
const ids = (device: BoundTensor['device']): BoundTensor => ({ stageIndex: 0, name: 'input_ids', direction: 'input', role: 'step', device, bytesPerToken: 8 });

function watch(where: { tensors: readonly BoundTensor[] | (() => never); others?: readonly OtherModel[]; freeBytes?: number }, costs?: Record<string, number>) {
  const told: AlignmentMessage[] = [];
  const resolved: string[] = [];
  const boundTensors = (): readonly BoundTensor[] => (typeof where.tensors === 'function' ? where.tensors() : where.tensors);
  const watched = new AlignmentWatch({
    loaded,
    runner: { boundTensors, memoryUse: () => [], readMemory: () => [{ device: gpu, freeBytes: where.freeBytes ?? 30 * gibibyte, totalBytes: 80 * gibibyte }] },
    options: { alignment: 'warn', alignmentCostsMs: costs },
    devicesAtPlan: [],
    devicesNow: [],
    otherModels: () => where.others ?? [],
    log: silentLog,
    processes: () => Promise.resolve(new Map([[gpu, [{ pid: 77, usedBytes: 10 * gibibyte, name: 'python' }]]])),
    onMessage: (message) => told.push(message),
    onResolved: (keys) => resolved.push(...keys),
  });
  return { watched, told, resolved };
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

  it('names who took memory, and takes the message back when it is free again', async () => {
    const where: Parameters<typeof watch>[0] = { tensors: [ids(gpu)] };
    const { watched, told, resolved } = watch(where);
    watched.look();
    where.freeBytes = 20 * gibibyte;
    watched.look();
    await Promise.resolve();
    expect(told.map(({ kind, takenBytes }) => [kind, takenBytes])).toEqual([['memory-taken', 10 * gibibyte]]);
    expect(told[0]?.message).toContain('python 77: 10.0 GiB');
    where.freeBytes = 30 * gibibyte;
    watched.look();
    expect(resolved).toEqual([told[0]?.key]);
    expect(watched.messages).toEqual([]);
  });

  it('keeps looking while nobody asks anything, until it is disposed', () => {
    const where: Parameters<typeof watch>[0] = { tensors: [ids(gpu)] };
    const { watched, told } = watch(where);
    let next: (() => void) | undefined;
    watched.keepLooking({
      after: (_, action) => {
        next = action;
        return () => (next = undefined);
      },
    });
    where.tensors = [ids(cpuDevice)];
    next?.();
    expect(told).toHaveLength(1);
    watched[Symbol.dispose]();
    expect(next).toBeUndefined();
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
