/** A composed profile of a model over two GPUs, for what one CPU cannot show. Its figures are made up and stand nowhere but in tests and pictures for looking at. */

import { deviceId } from '../../../src/common/deviceId';
import type { OperatorProfile, PhaseSpan, Profile, ProfiledNode } from '../../../src/common/profile';
import { fakeEpochMs, fakeProfile } from '../../fakes/fakeProfile';

const gibibyte = 1024 ** 3;
const devices = [deviceId('cuda', 0), deviceId('cuda', 1)];
const numLayers = 40;
const layerBytes = 403_000_000;

const wave = (index: number, period: number): number => 0.5 + 0.5 * Math.sin((index / period) * 2 * Math.PI);

function spans(steps: number): PhaseSpan[] {
  const list: PhaseSpan[] = [
    { kind: 'queue', startMs: 0, durationMs: 0.4 },
    { kind: 'tokenize', startMs: 0.4, durationMs: 2.1, tokens: 4096 },
    ...[0, 1, 2, 3].map((chunk): PhaseSpan => ({ kind: 'prefill', startMs: 2.5 + chunk * 28, durationMs: 28, tokens: 1024 })),
  ];
  let atMs = 114.5;
  for (let step = 0; step < steps; step += 1) {
    list.push({ kind: 'decode', startMs: atMs, durationMs: 5.4, tokens: 1 }, { kind: 'copy', startMs: atMs + 2.6, durationMs: 0.02, bytes: 16_384, from: devices[0], to: devices[1] });
    list.push({ kind: 'sample', startMs: atMs + 5.4, durationMs: 0.05 }, { kind: 'detokenize', startMs: atMs + 5.45, durationMs: 0.03 });
    atMs += 5.48;
  }
  return list;
}

const nodes: readonly ProfiledNode[] = Array.from({ length: numLayers }, (_, layer) => {
  const stageIndex = layer < numLayers / 2 ? 0 : 1;
  const device = devices[stageIndex] as ProfiledNode['device'];
  const node = (name: string, opType: string, share: number): ProfiledNode => ({ name: `/layers.${layer}/${name}`, opType, provider: 'CUDAExecutionProvider', stageIndex, device, layer, bytes: layerBytes * share, flops: layerBytes * share });
  return [node('attn/qkv', 'MatMul', 0.09), node('attn', 'GroupQueryAttention', 0.01), node('mlp/gate_up', 'MatMul', 0.57), node('mlp/down', 'MatMul', 0.28)];
}).flat();

function operators(): OperatorProfile {
  const steps = 16;
  const durations = Array.from({ length: steps }, () => nodes.map((node) => ((node.bytes ?? 0) / 4.1e12) * 1e6 + 3)).flat();
  const stepMs = nodes.reduce((sum, node) => sum + ((node.bytes ?? 0) / 4.1e12) * 1e3 + 0.003, 0);
  return {
    kind: 'decode',
    tokens: 1,
    contextTokens: 512,
    clock: 'device',
    mode: 'extra',
    plainStepMs: stepMs * 1.04,
    nodes,
    steps: Array.from({ length: steps }, (_, step) => ({ startMs: step * stepMs, durationMs: stepMs })),
    startsUs: durations.map((_, index) => index),
    durationsUs: durations,
  };
}

/** @param samples  Readings at 1 Hz up to the end of the generation. */
export function twoGpuProfile(samples = 600, steps = 128): Profile {
  const endMs = fakeEpochMs + samples * 1000;
  const phases = spans(steps);
  const totalMs = Math.max(...phases.map((span) => span.startMs + span.durationMs));
  const base = fakeProfile();
  return {
    ...base,
    environment: { 'GLM Local': 'composed for a test', platform: 'linux-x64' },
    telemetry: Array.from({ length: samples }, (_, index) => ({
      timeMs: fakeEpochMs + index * 1000,
      devices: devices.map((id, which) => ({
        id,
        utilizationPercent: index < samples / 3 ? 2 : 60 + 35 * wave(index, 37 + which * 11),
        usedBytes: index < samples / 3 ? gibibyte : 12 * gibibyte + wave(index, 90) * gibibyte,
        totalBytes: 80 * gibibyte,
        powerWatts: 90 + (index < samples / 3 ? 0 : 400 * wave(index, 23)),
        powerLimitWatts: 700,
        temperatureCelsius: 50,
      })),
    })),
    engineMemory: [{ timeMs: fakeEpochMs + (samples / 3) * 1000, devices: devices.map((device) => ({ device, weightBytes: 8.9 * gibibyte, kvBytes: 1.2 * gibibyte, activationBytes: 0.6 * gibibyte, stagingBytes: 0 })) }],
    generations: [{ generationId: 'g', submittedAtMs: endMs - totalMs - 500, totalMs: totalMs + 0.3, promptTokens: 4096, reusedTokens: 0, generatedTokens: steps + 1, clock: 'host', spans: phases, memory: [] }],
    placement: {
      parts: [
        { part: 'embedding', stageIndex: 0, device: devices[0] as ProfiledNode['device'], weightBytes: 1.2 * gibibyte, kvBytesPerPosition: 0, decodeMs: 0.01, clock: 'device' },
        ...Array.from({ length: numLayers }, (_, layer) => ({ part: 'layer' as const, layer, stageIndex: layer < numLayers / 2 ? 0 : 1, device: devices[layer < numLayers / 2 ? 0 : 1] as ProfiledNode['device'], weightBytes: layerBytes, kvBytesPerPosition: 1024, decodeMs: 0.11 + 0.01 * (layer % 3), prefillMs: 0.7, clock: 'device' as const })),
        { part: 'head', stageIndex: 1, device: devices[1] as ProfiledNode['device'], weightBytes: 1.2 * gibibyte, kvBytesPerPosition: 0, decodeMs: 0.32, clock: 'device' },
      ],
      copies: [{ fromStage: 0, toStage: 1, from: devices[0] as ProfiledNode['device'], to: devices[1] as ProfiledNode['device'], route: 'peer', bytesPerToken: 16_384, msPerToken: 0.02 }],
      nodes: [],
    },
    operators: [operators()],
    bandwidth: devices.map((device) => ({ device, bytesPerSecond: 4.17e12 })),
    forecast: {
      devices: devices.map((device) => ({ device, name: 'NVIDIA H100', weightBytes: 8.9 * gibibyte, kvBytesPerPosition: 20 * 1024, kvStepPositions: 64, fixedBytes: 0.9 * gibibyte, bytesPerSequence: 8_000_000, totalBytes: 80 * gibibyte, availableBytes: 60 * gibibyte })),
      maxContextTokens: 131_072,
      contextTokens: 32_768,
      maxBatch: 4,
    },
    cost: { plainTpotMs: 5.47, profiledTpotMs: 5.49, telemetryCorePercent: 0.19 },
  };
}
