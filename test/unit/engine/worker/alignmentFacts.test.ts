import { describe, expect, it } from 'vitest';
import { findMisalignments } from '../../../../src/alignment/findMisalignments';
import { cpuDevice, deviceId } from '../../../../src/common/deviceId';
import type { DeviceBudget, StagePlacement } from '../../../../src/common/placement';
import type { LoadedModel } from '../../../../src/common/protocol/engine';
import type { OtherModel } from '../../../../src/alignment/facts';
import { alignmentFacts, type MemoryMoment } from '../../../../src/engine/worker/alignmentFacts';
import { fakeLoadedModel } from '../../../fakes/fakeEngine';

const gibibyte = 1024 ** 3;
const cuda = deviceId('cuda', 0);
const gpu = (freeGibibytes: number): DeviceBudget => ({ id: cuda, name: 'GPU', provider: 'cuda', freeBytes: freeGibibytes * gibibyte });
const stage: StagePlacement = { stageIndex: 0, device: cuda, provider: 'cuda', firstLayer: 0, endLayer: 2, hasEmbedding: true, hasHead: true, weightBytes: 8 * gibibyte, kvBytes: gibibyte, activationBytes: 0 };
const loaded: LoadedModel = {
  ...fakeLoadedModel,
  plan: { ...fakeLoadedModel.plan, stages: [stage] },
  assignments: [{ stageIndex: 0, device: cuda, provider: 'cuda', nodesByProvider: { CUDAExecutionProvider: 30 }, inputMemory: { input_ids: 'Cuda:0' }, outputMemory: {} }],
  memory: [{ device: cuda, weightBytes: 8 * gibibyte, kvBytes: gibibyte, stagingBytes: 0 }],
};
const sources = { loaded, mode: 'warn', devicesAtPlan: [gpu(40)], devicesNow: [gpu(30)], tensors: [], otherModels: [], simulated: false } as const;
const kinds = (changes: object): readonly string[] => findMisalignments(alignmentFacts({ ...sources, ...changes })).map((message) => message.kind);

describe('alignmentFacts', () => {
  it('gives nothing to report when all is as planned', () => {
    expect(kinds({})).toEqual([]);
  });

  it('tells memory that another process took from our own', () => {
    expect(kinds({ devicesNow: [gpu(20)] })).toEqual(['memory-taken']);
  });

  it('tells memory that was taken after the load, less what this process and other engines of ours took', () => {
    const moment = (freeGibibytes: number, activationBytes: number, otherModels: readonly OtherModel[] = []): MemoryMoment => ({
      freeBytes: new Map([[cuda, freeGibibytes * gibibyte]]),
      ownMemory: [{ device: cuda, weightBytes: 8 * gibibyte, kvBytes: gibibyte, activationBytes, stagingBytes: 0 }],
      otherModels,
    });
    const memoryAtLoad = moment(30, 0);
    expect(kinds({ memoryAtLoad, memoryNow: moment(29, gibibyte) })).toEqual([]);
    expect(kinds({ memoryAtLoad, memoryNow: moment(25, gibibyte) })).toEqual(['memory-taken']);
    const other = { name: 'other', devices: [cuda], bytes: { [cuda]: 4 * gibibyte } };
    expect(kinds({ memoryAtLoad, memoryNow: moment(25, 0, [other]) })).toEqual([]);
    const [message] = findMisalignments(alignmentFacts({ ...sources, memoryAtLoad, memoryNow: { ...moment(20, 0), processes: new Map([[cuda, [{ pid: 77, usedBytes: 10 * gibibyte, name: 'python' }]]]) } }));
    expect(message).toMatchObject({ kind: 'memory-taken', takenBytes: 10 * gibibyte });
    expect(message?.message).toContain('python 77: 10.0 GiB');
  });

  it('takes back what was taken while loading and has been given back since', () => {
    const moment = (freeGibibytes: number): MemoryMoment => ({ freeBytes: new Map([[cuda, freeGibibytes * gibibyte]]), ownMemory: loaded.memory, otherModels: [] });
    expect(kinds({ devicesNow: [gpu(20)], memoryAtLoad: moment(20), memoryNow: moment(20) })).toEqual(['memory-taken']);
    expect(kinds({ devicesNow: [gpu(20)], memoryAtLoad: moment(20), memoryNow: moment(30) })).toEqual([]);
  });

  it('tells unfused attention with the variables that forbid the fused kernels', () => {
    const attention = { prefill: 'unfused', decode: 'own', forbiddenBy: ['ORT_DISABLE_FLASH_ATTENTION=1'] } as const;
    const [message] = findMisalignments(alignmentFacts({ ...sources, loaded: { ...loaded, plan: { ...loaded.plan, contextTokens: 4096 }, assignments: loaded.assignments.map((one) => ({ ...one, attention })) } }));
    expect(message).toMatchObject({ kind: 'unfused-attention', next: [{ label: 'Start the editor without ORT_DISABLE_FLASH_ATTENTION' }] });
    expect(message?.message).toContain('ORT_DISABLE_FLASH_ATTENTION=1 in the environment of the engine');
  });

  it('says nothing about main memory, or about a GPU that the model does not use', () => {
    const cpu = (freeBytes: number): DeviceBudget => ({ id: cpuDevice, name: 'CPU', provider: 'cpu', freeBytes });
    const idle = (freeBytes: number): DeviceBudget => ({ ...gpu(0), id: deviceId('cuda', 1), freeBytes });
    expect(kinds({ devicesAtPlan: [gpu(40), idle(40 * gibibyte), cpu(40 * gibibyte)], devicesNow: [gpu(30), idle(gibibyte), cpu(gibibyte)] })).toEqual([]);
  });

  it('reports ids that wait on the host for a GPU to read them', () => {
    const tensors = [{ stageIndex: 0, name: 'input_ids', direction: 'input', role: 'step', device: cpuDevice, bytesPerToken: 8 }] as const;
    const [message] = findMisalignments(alignmentFacts({ ...sources, tensors }));
    expect(message).toMatchObject({ kind: 'host-bound-inputs', tensorDevice: 'cpu', consumerDevice: 'cuda:0', bytesPerToken: 8 });
    expect(message?.message).toContain('input_ids is on cpu, whereas the model is on cuda:0');
  });

  it('marks what a software device stands in for', () => {
    expect(findMisalignments(alignmentFacts({ ...sources, devicesNow: [gpu(20)], simulated: true }))[0]?.simulated).toBe(true);
  });
});
