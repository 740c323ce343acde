/** Profiles that look as the engine makes them: of a model of two layers on the CPU, with times that a test can compute. */

import { cpuDevice } from '../../src/common/deviceId';
import { profileSchema, type ForecastBasis, type GenerationProfile, type OperatorProfile, type PhaseSpan, type PlacementMap, type Profile, type ProfiledNode } from '../../src/common/profile';

export const fakeEpochMs = 1_790_000_000_000;

/** Queue 1 ms, tokenize 1 ms, a prefill of 8 ms, then per token a step of 4 ms, 0.5 ms sampling and 0.5 ms detokenizing. */
export function fakeGenerationProfile(generationId = 'g1', promptTokens = 16, generatedTokens = 5): GenerationProfile {
  const spans: PhaseSpan[] = [];
  let atMs = 0;
  const add = (kind: PhaseSpan['kind'], durationMs: number, tokens?: number): void => {
    spans.push({ kind, startMs: atMs, durationMs, ...(tokens === undefined ? {} : { tokens }) });
    atMs += durationMs;
  };
  add('tokenize', 1);
  add('queue', 1);
  add('prefill', 8, promptTokens);
  for (let token = 0; token < generatedTokens; token += 1) {
    if (token > 0) {
      add('decode', 4, 1);
    }
    add('sample', 0.5);
    add('detokenize', 0.5);
  }
  return {
    generationId,
    submittedAtMs: fakeEpochMs,
    totalMs: atMs,
    promptTokens,
    reusedTokens: 0,
    generatedTokens,
    clock: 'host',
    spans,
    memory: [{ atMs: 0, devices: [{ device: cpuDevice, weightBytes: 1000, kvBytes: 100, activationBytes: 50, stagingBytes: 0 }] }],
  };
}

const node = (name: string, opType: string, bytes: number, flops: number, layer?: number): ProfiledNode => ({
  name,
  opType,
  provider: 'CPUExecutionProvider',
  stageIndex: 0,
  device: cpuDevice,
  ...(layer === undefined ? {} : { layer }),
  bytes,
  flops,
});

export const fakeNodes: readonly ProfiledNode[] = [
  node('/embedding', 'Gather', 256, 0),
  ...[0, 1].flatMap((layer) => [
    node(`/layers.${layer}/attn/qkv`, 'MatMulNBits', 20_000, 80_000, layer),
    node(`/layers.${layer}/attn`, 'GroupQueryAttention', 4_000, 16_000, layer),
    node(`/layers.${layer}/mlp/gate_up`, 'MatMulNBits', 40_000, 160_000, layer),
  ]),
  node('/lm_head', 'MatMulNBits', 60_000, 240_000),
];

/** Each node takes as many microseconds as it has thousands of bytes, at least one. */
export function fakeOperatorProfile(kind: OperatorProfile['kind'], tokens: number, contextTokens: number, numSteps: number): OperatorProfile {
  const timeUs = fakeNodes.map(({ bytes = 0 }) => Math.max(1, bytes / 1000) * tokens);
  const stepUs = timeUs.reduce((sum, us) => sum + us, 0);
  const startsUs: number[] = [];
  const durationsUs: number[] = [];
  for (let step = 0; step < numSteps; step += 1) {
    let atUs = step * stepUs;
    for (const us of timeUs) {
      startsUs.push(atUs);
      durationsUs.push(us);
      atUs += us;
    }
  }
  return {
    kind,
    tokens,
    contextTokens,
    clock: 'host',
    mode: 'extra',
    plainStepMs: stepUs / 1000,
    nodes: fakeNodes,
    steps: Array.from({ length: numSteps }, (_, step) => ({ startMs: (step * stepUs) / 1000, durationMs: stepUs / 1000 })),
    startsUs,
    durationsUs,
  };
}

export function fakeOperatorProfiles(promptTokens: number, decodeSteps: number): readonly OperatorProfile[] {
  return [fakeOperatorProfile('prefill', promptTokens, 0, 1), ...(decodeSteps === 0 ? [] : [fakeOperatorProfile('decode', 1, promptTokens, decodeSteps)])];
}

export const fakePlacement: PlacementMap = {
  parts: [
    { part: 'embedding', stageIndex: 0, device: cpuDevice, weightBytes: 200, kvBytesPerPosition: 0 },
    ...[0, 1].map((layer) => ({ part: 'layer' as const, layer, stageIndex: 0, device: cpuDevice, weightBytes: 300, kvBytesPerPosition: 16 })),
    { part: 'head', stageIndex: 0, device: cpuDevice, weightBytes: 200, kvBytesPerPosition: 0 },
  ],
  copies: [],
  nodes: fakeNodes.map(({ name, opType, provider, stageIndex, device, layer }) => ({ name, opType, provider, stageIndex, device, ...(layer === undefined ? {} : { layer }) })),
};

export const fakeForecast: ForecastBasis = {
  devices: [{ device: cpuDevice, name: 'CPU', weightBytes: 1000, kvBytesPerPosition: 32, kvStepPositions: 1, fixedBytes: 50, bytesPerSequence: 10, totalBytes: 1_000_000, availableBytes: 500_000 }],
  maxContextTokens: 4096,
  contextTokens: 4096,
  maxBatch: 1,
};

export function fakeProfile(changes: Partial<Profile> = {}): Profile {
  return {
    schema: profileSchema,
    startedAtMs: fakeEpochMs,
    environment: { version: '0.0.0' },
    telemetry: [{ timeMs: fakeEpochMs, devices: [{ id: cpuDevice, utilizationPercent: 50, usedBytes: 4000, totalBytes: 1_000_000 }] }],
    engineMemory: [{ timeMs: fakeEpochMs, devices: [{ device: cpuDevice, weightBytes: 1000, kvBytes: 100, activationBytes: 50, stagingBytes: 0 }] }],
    generations: [fakeGenerationProfile()],
    placement: fakePlacement,
    operators: fakeOperatorProfiles(16, 3),
    bandwidth: [{ device: cpuDevice, bytesPerSecond: 20e9 }],
    forecast: fakeForecast,
    ...changes,
  };
}
