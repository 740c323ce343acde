/** A model of three stages, cuda:0, cuda:1 and cuda:0 again, where everything is where it belongs. Tests move one thing at a time. */

import { cpuDevice, deviceId } from '../../../src/common/deviceId';
import type { StageAssignment, StagePlacement } from '../../../src/common/placement';
import type { AlignmentFacts, BoundTensor } from '../../../src/alignment/facts';

export const gib = 2 ** 30;
export const cuda0 = deviceId('cuda', 0);
export const cuda1 = deviceId('cuda', 1);

const stages: readonly StagePlacement[] = [0, 1, 2].map((stageIndex) => ({
  stageIndex,
  device: stageIndex === 1 ? cuda1 : cuda0,
  provider: 'cuda',
  firstLayer: stageIndex * 2,
  endLayer: stageIndex * 2 + 2,
  hasEmbedding: stageIndex === 0,
  hasHead: stageIndex === 2,
  weightBytes: 4 * gib,
  kvBytes: gib,
  activationBytes: gib / 4,
}));

const kvTensors = (stageIndex: number, device = stages[stageIndex]?.device ?? cuda0): readonly BoundTensor[] =>
  [0, 1].flatMap((offset) =>
    ['key', 'value'].flatMap((part) =>
      (['input', 'output'] as const).map((direction) => ({
        stageIndex,
        name: `${direction === 'input' ? 'past' : 'present'}.${stageIndex * 2 + offset}.${part}`,
        direction,
        role: 'kv' as const,
        device,
        bytesPerToken: 256,
      })),
    ),
  );

const tensors: readonly BoundTensor[] = [
  { stageIndex: 0, name: 'input_ids', direction: 'input', role: 'step', device: cuda0, bytesPerToken: 8 },
  ...[0, 1, 2].flatMap((stageIndex): readonly BoundTensor[] => [
    { stageIndex, name: 'seqlens_k', direction: 'input', role: 'step', device: stages[stageIndex]?.device ?? cuda0, bytesPerToken: 4 },
    // The attention operator reads this one on the host: there it belongs.
    { stageIndex, name: 'total_sequence_length', direction: 'input', role: 'step', device: cpuDevice, bytesPerToken: 4 },
    ...kvTensors(stageIndex),
  ]),
  { stageIndex: 0, name: 'hidden_out', direction: 'output', role: 'hidden', device: cuda0, bytesPerToken: 8192 },
  { stageIndex: 1, name: 'hidden_in', direction: 'input', role: 'hidden', device: cuda1, bytesPerToken: 8192 },
  { stageIndex: 1, name: 'hidden_out', direction: 'output', role: 'hidden', device: cuda1, bytesPerToken: 8192 },
  { stageIndex: 2, name: 'hidden_in', direction: 'input', role: 'hidden', device: cuda0, bytesPerToken: 8192 },
  { stageIndex: 2, name: 'logits', direction: 'output', role: 'step', device: cuda0, readOn: cuda0, bytesPerToken: 606208 },
];

const assignments: readonly StageAssignment[] = stages.map(({ stageIndex, device, provider }) => {
  const memory = device === cuda1 ? 'Cuda:1' : 'Cuda:0';
  const own = tensors.filter((tensor) => tensor.stageIndex === stageIndex);
  const memoryOf = (direction: 'input' | 'output') => Object.fromEntries(own.filter((tensor) => tensor.direction === direction).map((tensor) => [tensor.name, tensor.name === 'total_sequence_length' ? 'Cpu' : memory]));
  return { stageIndex, device, provider, nodesByProvider: { CUDAExecutionProvider: 90 }, inputMemory: memoryOf('input'), outputMemory: memoryOf('output') };
});

export const aligned: AlignmentFacts = {
  modelName: 'GLM-4-9B-0414',
  mode: 'warn',
  plan: { stages, weightFormat: 'bf16', kvFormat: 'bf16', contextTokens: 8192, largestContextTokens: 32768, largestContextAsPlacedTokens: 16384, warnings: [] },
  assignments,
  tensors,
  devices: [
    { id: cuda0, name: 'GPU', provider: 'cuda', freeBytes: 12 * gib },
    { id: cuda1, name: 'GPU', provider: 'cuda', freeBytes: 18 * gib },
    { id: cpuDevice, name: 'CPU', provider: 'cpu', freeBytes: 60 * gib },
  ],
  memory: [
    { device: cuda0, weightBytes: 8 * gib, kvBytes: 2 * gib, activationBytes: gib / 4, stagingBytes: 0 },
    { device: cuda1, weightBytes: 4 * gib, kvBytes: gib, activationBytes: gib / 4, stagingBytes: 0 },
  ],
  driverMemory: [
    { device: cuda0, since: 'plan', freeBytesThen: 23 * gib, freeBytesNow: 12 * gib },
    { device: cuda1, since: 'plan', freeBytesThen: 23 * gib, freeBytesNow: 17 * gib },
  ],
  attention: [0, 1, 2].map((stageIndex) => ({ stageIndex, kernel: 'flash' })),
  otherModels: [{ name: 'GLM-Edge-1.5B', devices: [deviceId('cuda', 2)] }],
};

/** The facts with some tensors moved. */
export function withTensors(match: (tensor: BoundTensor) => boolean, change: Partial<BoundTensor>, facts = aligned): AlignmentFacts {
  return { ...facts, tensors: facts.tensors.map((tensor) => (match(tensor) ? { ...tensor, ...change } : tensor)) };
}

export function withAssignment(stageIndex: number, change: Partial<StageAssignment>, facts = aligned): AlignmentFacts {
  return { ...facts, assignments: facts.assignments.map((one) => (one.stageIndex === stageIndex ? { ...one, ...change } : one)) };
}

export function withStage(stageIndex: number, change: Partial<StagePlacement>, facts = aligned): AlignmentFacts {
  return { ...facts, plan: { ...facts.plan, stages: facts.plan.stages.map((one) => (one.stageIndex === stageIndex ? { ...one, ...change } : one)) } };
}
