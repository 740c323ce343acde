import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AlignmentMessage, AlignmentMode } from '../../../src/common/alignment';
import { cpuDevice, deviceId } from '../../../src/common/deviceId';
import type { AlignmentFacts } from '../../../src/alignment/facts';
import { changedMessages, chooseTensorDevice, findMisalignments } from '../../../src/alignment/findMisalignments';
import { memoryDevice } from '../../../src/alignment/memoryPlace';
import { aligned, cuda0, cuda1, gib, withAssignment, withStage, withTensors } from './alignedFacts';

/** The one message there must be. */
function only(facts: AlignmentFacts): AlignmentMessage {
  const messages = findMisalignments(facts);
  expect(messages.map((message) => message.kind)).toHaveLength(1);
  return messages[0] as AlignmentMessage;
}

const onCpuStage = (facts: AlignmentFacts): AlignmentFacts =>
  withAssignment(2, { device: cpuDevice, provider: 'cpu', nodesByProvider: { CPUExecutionProvider: 90 }, inputMemory: { hidden_in: 'Cpu' }, outputMemory: {} }, withStage(2, { device: cpuDevice, provider: 'cpu' }, facts));

describe('findMisalignments', () => {
  it('says nothing when everything is where it belongs, in each mode', () => {
    for (const mode of ['autoFix', 'warn', 'off'] as const) {
      expect(findMisalignments({ ...aligned, mode })).toEqual([]);
    }
  });

  it('reports ids on the CPU in the words people know, with their size', () => {
    const message = only(withTensors((tensor) => tensor.name === 'input_ids', { device: cpuDevice }));
    expect(message).toMatchObject({ kind: 'host-bound-inputs', tensor: 'input_ids', tensorDevice: 'cpu', consumerDevice: 'cuda:0', bytesPerToken: 8, state: 'found' });
    expect(message.message).toBe("input_ids is on cpu, whereas the model's first stage is on cuda:0. It is copied at every step. Cost: 8 B per token.");
    expect(message.next).toEqual([{ label: 'Keep input_ids on cuda:0', command: 'glm.fixAlignment' }]);
  });

  it('reports ids on the wrong one of two GPUs, which transformers does not', () => {
    expect(only(withTensors((tensor) => tensor.name === 'input_ids', { device: cuda1 })).message).toContain("input_ids is on cuda:1, whereas the model's first stage is on cuda:0.");
  });

  it('reports logits that go to the host although they are read on the device', () => {
    const message = only(withTensors((tensor) => tensor.name === 'logits', { device: cpuDevice }));
    expect(message).toMatchObject({ kind: 'host-bound-inputs', tensor: 'logits', bytesPerToken: 606208 });
    expect(message.message).toContain('logits is on cpu, whereas what reads it is on cuda:0.');
  });

  it('reports a hidden state that goes through the host, at the reading stage', () => {
    const message = only(withTensors((tensor) => tensor.role === 'hidden' && tensor.stageIndex === 1 && tensor.direction === 'input', { device: cpuDevice }));
    expect(message).toMatchObject({ kind: 'hidden-state-through-host', bytesPerToken: 8192, tensorDevice: 'cpu', consumerDevice: 'cuda:1' });
    expect(message.message).toContain("the hidden state into stage 2 is on cpu, whereas the model's stage 2 is on cuda:1.");
  });

  it("reports a stage's KV cache once, with the bytes of all its layers", () => {
    const message = only(withTensors((tensor) => tensor.role === 'kv' && tensor.stageIndex === 2, { device: cpuDevice }));
    expect(message).toMatchObject({ kind: 'kv-cache-on-cpu', tensor: 'kv cache of stage 3', bytesPerToken: 4 * 256, consumerDevice: 'cuda:0' });
    expect(message.message).toContain("The KV cache is on cpu, whereas the model's last stage is on cuda:0.");
  });

  it.each([
    ['warn', cpuDevice, undefined, 'found'],
    ['off', cpuDevice, cpuDevice, 'left'],
    ['autoFix', cuda0, cpuDevice, 'fixed'],
  ] as const)('calls misplaced ids in mode %s: %4$s', (mode, device, wantedDevice, state) => {
    const message = only({ ...withTensors((tensor) => tensor.name === 'input_ids', { device, wantedDevice }), mode, measuredCostMs: { 'host-bound-inputs:input_ids': 0.125 } });
    expect(message.state).toBe(state);
    expect(message.costMsPerToken).toBe(0.125);
    expect(message.message).toContain(state === 'fixed' ? 'was to be on cpu, whereas the model\'s first stage is on cuda:0. It is kept on cuda:0. Saved: 8 B per token; 0.13 ms per token, measured.' : 'Cost: 8 B per token; 0.13 ms per token, measured.');
    expect(message.next).toHaveLength(state === 'fixed' ? 0 : 1);
  });

  it('reports layers on the CPU, and whether a GPU could hold them', () => {
    const message = only(onCpuStage({ ...aligned, memory: undefined, driverMemory: undefined, tensors: [] }));
    expect(message).toMatchObject({ kind: 'stage-on-cpu', tensorDevice: 'cpu', consumerDevice: 'cuda:1' });
    expect(message.message).toBe('2 layers (4-5, 5.0 GiB with their KV cache) are on cpu, whereas the rest of the model is on cuda:0 and cuda:1. cuda:1 has 18.0 GiB free and could hold them.');
    const full = { ...aligned, memory: undefined, driverMemory: undefined, tensors: [], devices: aligned.devices.map((device) => ({ ...device, freeBytes: gib })) };
    expect(only(onCpuStage(full)).message).toContain('No GPU has room for them; the roomiest, cuda:0, has 1.0 GiB free.');
  });

  it('does not mind a model that is on the CPU alone', () => {
    const stage = { ...(aligned.plan.stages[0] as (typeof aligned.plan.stages)[0]), device: cpuDevice, provider: 'cpu' as const };
    const assignment = { stageIndex: 0, device: cpuDevice, provider: 'cpu' as const, nodesByProvider: { CPUExecutionProvider: 40 }, inputMemory: {}, outputMemory: {} };
    expect(findMisalignments({ ...aligned, plan: { ...aligned.plan, stages: [stage] }, assignments: [assignment], tensors: [], memory: undefined, driverMemory: undefined, attention: [{ stageIndex: 0, kernel: 'unfused' }] })).toEqual([]);
  });

  it('reports nodes that fell back inside a GPU stage, by name', () => {
    const message = only(withAssignment(1, { nodesByProvider: { CUDAExecutionProvider: 85, CPUExecutionProvider: 5 }, cpuNodes: [{ name: '/a', operator: 'Range', bytesPerToken: 8 }, { name: '/b', operator: 'Gather', bytesPerToken: 16 }, { name: '/c', operator: 'Range' }, { name: '/d', operator: 'Where' }, { name: '/e', operator: 'Mod' }] }));
    expect(message.kind).toBe('node-fallback');
    expect(message.message).toBe("5 of 90 nodes of the model's stage 2 run on cpu, whereas the stage is on cuda:1: /a (Range), /b (Gather), /c (Range) and 2 more. The provider cuda has no kernel for Range, Gather, Where in this form. Cost: 24 B per token.");
  });

  it('reports them too where the runtime lists only what a provider did not take, and nothing when that list is empty', () => {
    expect(only(withAssignment(1, { nodesByProvider: undefined, cpuNodes: [{ name: '/a', operator: 'Range' }] })).message).toContain("1 node of the model's stage 2 runs on cpu");
    expect(findMisalignments(withAssignment(1, { nodesByProvider: undefined, cpuNodes: [] }))).toEqual([]);
  });

  it('reports a provider that was replaced as a whole, not as fallback of every node', () => {
    const message = only(withAssignment(0, { nodesByProvider: { CPUExecutionProvider: 90 } }));
    expect(message.kind).toBe('provider-replaced');
    expect(message.message).toBe("The model's first stage was to run with cuda on cuda:0, but the runtime runs all of it with CPUExecutionProvider.");
    expect(only(withAssignment(0, { provider: 'webgpu', device: deviceId('webgpu'), inputMemory: {}, outputMemory: {}, nodesByProvider: undefined })).kind).toBe('provider-replaced');
  });

  it('claims nothing about nodes that the runtime does not report', () => {
    expect(findMisalignments(withAssignment(0, { nodesByProvider: undefined }))).toEqual([]);
  });

  it('reports a stage on another device than planned, and one that is missing', () => {
    const moved = withAssignment(1, { device: deviceId('cuda', 3), inputMemory: {}, outputMemory: {} });
    expect(only(moved).message).toBe("Layers 2-3 (the model's stage 2) were planned on cuda:1, but the stage is on cuda:3.");
    const missing = { ...aligned, assignments: aligned.assignments.slice(0, 2) };
    expect(only(missing).message).toContain('but the runtime reports no such stage.');
  });

  it('reports bytes that are not as planned, within a tolerance', () => {
    const withWeights = (weightBytes: number): AlignmentFacts => ({ ...aligned, driverMemory: undefined, memory: aligned.memory?.map((use) => (use.device === cuda1 ? { ...use, weightBytes } : use)) });
    expect(findMisalignments(withWeights(4.1 * gib))).toEqual([]);
    expect(only(withWeights(5 * gib))).toMatchObject({ kind: 'plan-differs', message: 'The weights on cuda:1 take 5.0 GiB, whereas the plan says 4.0 GiB.' });
  });

  it('reports memory that another process took, and who has it', () => {
    const taken = { ...aligned, driverMemory: [{ device: cuda1, since: 'load' as const, freeBytesThen: 18 * gib, freeBytesNow: 9 * gib, knownGrowthBytes: gib, processes: [{ pid: 4242, usedBytes: 8 * gib, name: 'python' }] }] };
    const message = only(taken);
    expect(message).toMatchObject({ kind: 'memory-taken', consumerDevice: 'cuda:1', takenBytes: 8 * gib });
    expect(message.message).toBe('Other processes took 8.0 GiB of cuda:1 since the model was loaded; 9.0 GiB are free. On it now: python 4242: 8.0 GiB.');
  });

  it('takes our own allocations and the usual overhead off what the load took', () => {
    const facts = (freeNow: number): AlignmentFacts => ({ ...aligned, driverMemory: [{ device: cuda1, since: 'plan', freeBytesThen: 23.5 * gib, freeBytesNow: freeNow }] });
    expect(findMisalignments(facts(17.25 * gib))).toEqual([]);
    expect(only(facts(15.25 * gib)).message).toContain('took 2.0 GiB of cuda:1');
  });

  it('reports two models on one device', () => {
    const message = only({ ...aligned, otherModels: [{ name: 'GLM-Z1-9B', devices: [cuda1] }] });
    expect(message).toMatchObject({ kind: 'devices-shared', consumerDevice: 'cuda:1' });
    expect(message.message).toBe('GLM-4-9B-0414 is on cuda:1, and so is GLM-Z1-9B. While both answer, each waits for the other.');
  });

  it('reports unfused attention only where the context makes it matter', () => {
    const attention = [{ stageIndex: 0, kernel: 'unfused' as const }];
    expect(only({ ...aligned, attention }).kind).toBe('unfused-attention');
    expect(findMisalignments({ ...aligned, attention, plan: { ...aligned.plan, contextTokens: 1024 } })).toEqual([]);
  });

  it('marks what was simulated', () => {
    const message = only({ ...withTensors((tensor) => tensor.name === 'input_ids', { device: cpuDevice }), simulated: true });
    expect(message.simulated).toBe(true);
    expect(message.message).toMatch(/\(simulated\)$/);
  });

  it('reports exactly what is misplaced, whatever the combination, with distinct and stable keys', () => {
    const moves: Readonly<Record<string, (facts: AlignmentFacts) => AlignmentFacts>> = {
      'host-bound-inputs': (facts) => withTensors((tensor) => tensor.name === 'input_ids', { device: cpuDevice }, facts),
      'hidden-state-through-host': (facts) => withTensors((tensor) => tensor.role === 'hidden' && tensor.stageIndex === 2, { device: cpuDevice }, facts),
      'kv-cache-on-cpu': (facts) => withTensors((tensor) => tensor.role === 'kv' && tensor.stageIndex === 0, { device: cpuDevice }, facts),
      'node-fallback': (facts) => withAssignment(1, { nodesByProvider: { CUDAExecutionProvider: 5, CPUExecutionProvider: 1 } }, facts),
      'devices-shared': (facts) => ({ ...facts, otherModels: [{ name: 'B', devices: [cuda0] }] }),
      'unfused-attention': (facts) => ({ ...facts, attention: [{ stageIndex: 1, kernel: 'unfused' }] }),
    };
    fc.assert(
      fc.property(fc.subarray(Object.keys(moves)), fc.constantFrom<AlignmentMode>('autoFix', 'warn', 'off'), (kinds, mode) => {
        const facts = kinds.reduce<AlignmentFacts>((sum, kind) => (moves[kind] as (facts: AlignmentFacts) => AlignmentFacts)(sum), { ...aligned, mode });
        const messages = findMisalignments(facts);
        expect(messages.map((message) => message.kind as string).sort()).toEqual([...kinds].sort());
        expect(new Set(messages.map((message) => message.key)).size).toBe(messages.length);
        expect(findMisalignments({ ...facts, mode: mode === 'off' ? 'warn' : 'off' }).map((message) => message.key)).toEqual(messages.map((message) => message.key));
      }),
    );
  });
});

describe('memoryDevice', () => {
  it.each([
    ['Cpu', cuda1, 'cpu'],
    ['CUDAPinned', cuda1, 'cpu'],
    ['CudaPinned:1', cuda1, 'cpu'],
    ['Cuda', cuda1, 'cuda:1'],
    ['Cuda:0', cuda1, 'cuda:0'],
    ['WebGPU_Buf', deviceId('webgpu', 2), 'webgpu:2'],
    ['WebGPU_Buffer:0', deviceId('webgpu', 2), 'webgpu:2'],
    ['QnnHtpShared', cuda0, undefined],
  ])('reads %s', (name, stageDevice, expected) => {
    expect(memoryDevice(name, stageDevice)).toBe(expected);
  });
});

describe('chooseTensorDevice and changedMessages', () => {
  it('keeps tensors with their consumer unless told otherwise', () => {
    expect(chooseTensorDevice('warn', cuda0, undefined)).toBe('cuda:0');
    expect(chooseTensorDevice('autoFix', cuda0, cpuDevice)).toBe('cuda:0');
    expect(chooseTensorDevice('warn', cuda0, cpuDevice)).toBe('cpu');
    expect(chooseTensorDevice('off', cuda0, cpuDevice)).toBe('cpu');
  });

  it('passes a message on once, and again when its state or measured cost changes', () => {
    const facts = withTensors((tensor) => tensor.name === 'input_ids', { device: cpuDevice });
    const first = findMisalignments(facts);
    expect(changedMessages([], first)).toHaveLength(1);
    expect(changedMessages(first, findMisalignments(facts))).toEqual([]);
    expect(changedMessages(first, findMisalignments({ ...facts, measuredCostMs: { 'host-bound-inputs:input_ids': 1 } }))).toHaveLength(1);
    expect(changedMessages(first, findMisalignments({ ...facts, mode: 'off' }))).toHaveLength(1);
  });
});
