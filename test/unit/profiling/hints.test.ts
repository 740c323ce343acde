import { describe, expect, it } from 'vitest';
import { cpuDevice, deviceId } from '../../../src/common/deviceId';
import type { GenerationProfile, Profile } from '../../../src/common/profile';
import { hints } from '../../../src/profiling/hints';
import { ProfileRecorder } from '../../../src/profiling/profileRecorder';
import { fakeForecast, fakeGenerationProfile, fakeOperatorProfile, fakePlacement, fakeProfile } from '../../fakes/fakeProfile';

const codes = (profile: Profile): readonly string[] => hints(profile).map(({ code }) => code);
const textOf = (profile: Profile, code: string): string => hints(profile).find((hint) => hint.code === code)?.text ?? '';
const decode = fakeOperatorProfile('decode', 1, 16, 3);
const gpu = deviceId('cuda', 0);
const onGpu = { ...decode, clock: 'device' as const, nodes: decode.nodes.map((node) => ({ ...node, device: gpu })) };
const silent: Partial<Profile> = { generations: [], forecast: undefined, placement: undefined, bandwidth: [] };
const generation = (spans: GenerationProfile['spans'], changes: Partial<GenerationProfile> = {}): GenerationProfile => ({ ...fakeGenerationProfile(), totalMs: 100, spans, ...changes });

describe('hints', () => {
  it('say nothing where nothing was measured', () => {
    expect(hints(fakeProfile({ ...silent, operators: [] }))).toEqual([]);
  });

  it('tell that decode is bound by memory, and what int4 would read, from the bytes of the step', () => {
    // 188,256 bytes at 1 GB/s are 0.188 of 0.189 ms. 90,000 weights are in products of 2 bytes each.
    const dense = { ...onGpu, nodes: onGpu.nodes.map((node) => (node.opType === 'MatMulNBits' ? { ...node, opType: 'FusedMatMul', flops: node.bytes } : node)) };
    const model = { weights: 'bf16' } as Profile['model'];
    const profile = fakeProfile({ ...silent, model, operators: [dense], bandwidth: [{ device: gpu, bytesPerSecond: 1e9 }] });
    const read = 188_256;
    const ratio = read / (read - 180_000 + (180_000 / 2) * (0.5 + 2 / 32));
    expect(textOf(profile, 'memory-bound')).toContain(`int4 would read ${ratio.toFixed(1)} × fewer bytes`);
    expect(textOf(profile, 'memory-bound')).toContain('100 % of the 0.19 ms');
    expect(textOf({ ...profile, model: { weights: 'int4' } as Profile['model'] }, 'memory-bound')).toContain('several sequences at once');
    expect(codes({ ...profile, bandwidth: [{ device: gpu, bytesPerSecond: 4e9 }] })).not.toContain('memory-bound');
    expect(codes({ ...profile, bandwidth: [] })).not.toContain('memory-bound');
  });

  it('do not call a step bound by memory when the products alone were read from a cache', () => {
    // The whole step would fit the limit, but the products took a quarter of what memory allows: something else filled the step.
    const durationsUs = decode.durationsUs.map((us, index) => (decode.nodes[index % decode.nodes.length]?.opType === 'MatMulNBits' ? us / 4 : us));
    const profile = (operators: Profile['operators']): Profile => fakeProfile({ ...silent, operators, bandwidth: [{ device: cpuDevice, bytesPerSecond: 1e9 }] });
    expect(codes(profile([decode]))).toContain('memory-bound');
    expect(codes(profile([{ ...decode, durationsUs }]))).not.toContain('memory-bound');
  });

  it('tell that the device waits, when its own times are far below the step', () => {
    expect(codes(fakeProfile({ ...silent, operators: [{ ...onGpu, plainStepMs: 0.4 }] }))).toContain('device-waits');
    expect(codes(fakeProfile({ ...silent, operators: [{ ...onGpu, clock: 'host', plainStepMs: 0.4 }] }))).not.toContain('device-waits');
    expect(textOf(fakeProfile({ ...silent, operators: [{ ...onGpu, clock: 'host', plainStepMs: 0.4, deviceNodesMs: 0.25 }] }), 'device-waits')).toContain('0.25 ms of a step\'s 0.40 ms');
  });

  it('tell of a large output layer', () => {
    expect(textOf(fakeProfile({ ...silent, operators: [decode] }), 'head')).toContain('32 %');
  });

  it('tell of layers on the CPU beside a GPU, with their share of the time', () => {
    const [embedding, first, second, head] = fakePlacement.parts;
    const parts = [embedding!, { ...first!, device: gpu, decodeMs: 1 }, { ...second!, decodeMs: 3 }, head!];
    expect(textOf(fakeProfile({ ...silent, operators: [], placement: { ...fakePlacement, parts } }), 'layers-on-cpu')).toMatch(/^1 of 2 layers .* 75 %/);
    expect(codes(fakeProfile({ ...silent, operators: [], placement: fakePlacement }))).toEqual([]);
  });

  it('tell of waiting, copies, text work and long prompts from the last request', () => {
    const of = (last: GenerationProfile): readonly string[] => codes(fakeProfile({ ...silent, operators: [], generations: [fakeGenerationProfile(), last] }));
    expect(of(generation([{ kind: 'queue', startMs: 0, durationMs: 30 }]))).toEqual(['queue']);
    expect(of(generation([{ kind: 'decode', startMs: 0, durationMs: 50 }, { kind: 'copy', startMs: 10, durationMs: 5 }]))).toEqual(['copies']);
    expect(of(generation([{ kind: 'sample', startMs: 0, durationMs: 6 }, { kind: 'detokenize', startMs: 6, durationMs: 6 }]))).toEqual(['text-work']);
    expect(of(generation([{ kind: 'prefill', startMs: 0, durationMs: 70 }], { promptTokens: 1000, reusedTokens: 100 }))).toEqual(['prompt']);
    expect(of(generation([{ kind: 'decode', startMs: 0, durationMs: 98 }]))).toEqual([]);
  });

  it('tell of a context much longer than what was used', () => {
    const withKv = (kvBytesPerPosition: number) => fakeProfile({ ...silent, operators: [], generations: [generation([])], forecast: { ...fakeForecast, devices: fakeForecast.devices.map((device) => ({ ...device, kvBytesPerPosition })) } });
    expect(textOf(withKv(32 * 1024), 'unused-context')).toContain('a context of 1,024 would free 96.0 MiB');
    expect(codes(withKv(1024))).toEqual([]);
  });
});

describe('ProfileRecorder', () => {
  const sample = (timeMs: number) => ({ timeMs, devices: [{ id: cpuDevice, usedBytes: timeMs }] });
  const use = (weightBytes: number) => [{ device: cpuDevice, weightBytes, kvBytes: 0, stagingBytes: 0 }];

  it('keeps ten minutes of samples and the memory report that was in force then', () => {
    const recorder = new ProfileRecorder();
    recorder.addEngineMemory(0, use(1));
    recorder.addEngineMemory(100_000, use(2));
    recorder.addEngineMemory(900_000, use(3));
    for (let second = 0; second <= 1000; second += 1) {
      recorder.addSample(sample(second * 1000));
    }
    const { telemetry, engineMemory } = recorder.snapshot();
    expect([telemetry.length, telemetry[0]?.timeMs, telemetry[600]?.timeMs]).toEqual([601, 400_000, 1_000_000]);
    expect(engineMemory.map(({ timeMs }) => timeMs)).toEqual([100_000, 900_000]);
  });

  it('is bounded whatever comes, and keeps the last generations with their memory', () => {
    const recorder = new ProfileRecorder({ keptMs: 1e9, mostSamples: 50, mostGenerations: 3 });
    for (let index = 0; index < 500; index += 1) {
      recorder.addSample(sample(index));
      recorder.addEngineMemory(index, use(index));
      recorder.addGeneration(fakeGenerationProfile(`g${index}`));
    }
    const { telemetry, engineMemory, generations } = recorder.snapshot();
    expect([telemetry.length, generations.map(({ generationId }) => generationId)]).toEqual([50, ['g497', 'g498', 'g499']]);
    expect(engineMemory.length).toBeLessThanOrEqual(50);
    recorder.clear();
    expect(recorder.snapshot()).toEqual({ telemetry: [], engineMemory: [], generations: [] });
  });
});
