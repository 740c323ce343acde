/** A decode step of tiny-glm4 (int4, f32 activations) as the runtime 1.30.0 traced it through WebGPU on SwiftShader, of which only the fields in use were kept. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { deviceId } from '../../../src/common/deviceId';
import { layerOfNode } from '../../../src/engine/worker/profile/nodeWork';
import { collectSteps, hasDeviceTimes, nodesMs } from '../../../src/profiling/collectSteps';
import { operatorTable } from '../../../src/profiling/operatorTable';
import { parseRuntimeTrace } from '../../../src/profiling/runtimeTrace';

const text = readFileSync(join(__dirname, '../../fixtures/profiles/webgpu-decode-step.json'), 'utf8');
const trace = parseRuntimeTrace(text);
const describeNode = (node: { name: string; opType: string; provider: string }, stageIndex: number) => ({ ...node, stageIndex, device: deviceId('webgpu', 0), layer: layerOfNode(node.name) });
const profileOf = (clock: 'device' | 'host', plainStepMs: number) => ({
  kind: 'decode' as const,
  tokens: 1,
  contextTokens: 8,
  mode: 'extra' as const,
  clock,
  plainStepMs,
  ...collectSteps([{ startMs: 0, stages: [trace] }], clock, describeNode),
});

describe('a trace with the adapter\'s timestamps', () => {
  it('gives every node the kernels that it ran, in their order and with their programs', () => {
    expect(trace.nodes).toHaveLength(34);
    expect(trace.nodes.flatMap(({ device }) => device?.kernels ?? [])).toHaveLength(40);
    const attention = trace.nodes.find(({ name }) => name === '/layers.1/attn');
    expect(attention?.device?.kernels.map(({ name }) => name)).toEqual(['SplitPackedQKVWithRotaryEmbeddingAndCopyKV', 'FlashAttentionDecodeQKV', 'FlashAttentionDecodeVxReduce']);
    expect(attention?.device).toMatchObject({ startUs: 43_553 - 1080, durationUs: 86 + 4185 + 299 });
    expect(trace.nodes.find(({ name }) => name === '/layers.2/mlp/gated')?.device?.kernels.map(({ name }) => name)).toEqual(['MatMulNBitsMlpDecode']);
  });

  it('holds 112.7 ms of kernels in a run of 114.3 ms, of which the host saw 1.4 ms', () => {
    expect(hasDeviceTimes([{ startMs: 0, stages: [trace] }])).toBe(true);
    expect([nodesMs(profileOf('device', 114)), nodesMs(profileOf('host', 114))]).toEqual([112.67, 1.36]);
  });

  it('is shown as device time by operator and layer where it adds up to the step, as host time where it does not', () => {
    const table = operatorTable(profileOf('device', 114));
    expect(table.clock).toBe('device time');
    expect(table.byLayer.map(({ label }) => label)).toEqual(['embedding', 'layer 0', 'layer 1', 'layer 2', 'head']);
    expect(table.byType.slice(0, 2).map(({ label, numNodes }) => [label, numNodes])).toEqual([['MatMulNBits', 10], ['MatMulNBitsMlp', 3]]);
    expect(operatorTable(profileOf('device', 200)).clock).toBe('host time');
  });

  it('leaves a node without a kernel no time, and is none where no event is a kernel', () => {
    const events = JSON.parse(text) as { readonly cat: string; readonly name: string }[];
    const without = (isGone: (event: { readonly cat: string; readonly name: string }) => boolean) => parseRuntimeTrace(JSON.stringify(events.filter((event) => !isGone(event))));
    const renamed = without(({ cat, name }) => cat === 'Api' && name.startsWith('logits&'));
    expect(renamed.nodes.find(({ name }) => name === 'logits')?.device).toEqual({ startUs: 0, durationUs: 0, kernels: [] });
    expect(without(({ cat }) => cat === 'Api').nodes.every(({ device }) => device === undefined)).toBe(true);
  });
});
