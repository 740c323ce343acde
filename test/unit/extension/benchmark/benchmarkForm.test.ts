import { describe, expect, it } from 'vitest';
import { buildScenario, defaultPython, mayUse, parseLengths, parseServers, progressText, scenarioItems, type BenchmarkForm } from '../../../../src/extension/benchmark/benchmarkForm';
import { scenarioNames } from '../../../../src/bench/scenarios/scenarioByName';
import { defaultSettings } from '../../../../src/bench/scenarios/scenario';
import type { DeviceId } from '../../../../src/common/deviceId';
import { fakeLoadOptions } from '../../../fakes/fakeEngine';

const form = (changes: Partial<BenchmarkForm>): BenchmarkForm => ({ scenario: 'standard', source: '/m', settings: defaultSettings, python: defaultPython, servers: [], ...changes });

describe('the form of a benchmark', () => {
  it('offers every scenario', () => {
    expect(scenarioItems.map((item) => item.name).sort()).toEqual([...scenarioNames].sort());
  });

  it('builds one case of other lengths where they were changed', () => {
    expect(buildScenario(form({ lengths: { promptTokens: 64, newTokens: 8 } }), fakeLoadOptions, []).loads[0]?.cases).toEqual([{ name: 'prompt 64, 8 new', promptTokens: 64, newTokens: 8, concurrency: 1 }]);
    expect(buildScenario(form({}), fakeLoadOptions, []).loads[0]?.cases).toHaveLength(3);
    expect(buildScenario(form({ lengths: { promptTokens: 64, newTokens: 8 } }), { ...fakeLoadOptions, contextTokens: 32_768 }, []).loads[0]?.load.contextTokens).toBe(73);
  });

  it('knows which devices a scenario may take from a model that is loaded beside', () => {
    const scenario = (changes: Partial<typeof fakeLoadOptions>) => buildScenario(form({}), { ...fakeLoadOptions, ...changes }, []);
    // No probe lists WebGPU adapters; only the engine finds them.
    expect(mayUse(scenario({ provider: 'webgpu', includeDevices: undefined }), 'webgpu:0')).toBe(true);
    expect(mayUse(scenario({ provider: 'cpu' }), 'webgpu:0')).toBe(false);
    expect(mayUse(scenario({ provider: 'cpu' }), 'cpu')).toBe(true);
    expect(mayUse(scenario({ provider: 'cuda', includeDevices: ['cuda:1' as DeviceId] }), 'cuda:0')).toBe(false);
  });

  it('holds transformers and servers against the same weights', () => {
    const gpu = { id: 'cuda:0' as DeviceId, kind: 'cuda' as const, name: 'GPU', source: 'NVML', notes: [] };
    const base = { ...fakeLoadOptions, weights: 'auto', provider: 'auto' } as const;
    const scenario = buildScenario(form({ scenario: 'others', servers: ['http://127.0.0.1:8080'] }), base, [gpu]);
    expect(scenario.loads[0]?.load.weights).toBe('bf16');
    expect(scenario.others?.engines).toMatchObject([{ kind: 'transformers', python: defaultPython, dtype: 'bf16', variants: ['eager', 'compiled'] }, { kind: 'server', url: 'http://127.0.0.1:8080' }]);
    expect(buildScenario(form({ scenario: 'others' }), { ...base, provider: 'cpu' }, [gpu]).others?.engines).toMatchObject([{ dtype: 'f32', device: 'cpu' }]);
    expect(() => buildScenario(form({ scenario: 'others', python: '' }), base, [])).toThrow(/nothing to compare with/);
  });

  it('reads lengths and addresses as people write them, and refuses the rest', () => {
    expect(parseLengths('512 → 128')).toEqual({ promptTokens: 512, newTokens: 128 });
    expect(parseLengths('512, 1')).toBeUndefined();
    expect(parseServers(' http://127.0.0.1:8080, https://host/v1 ')).toEqual(['http://127.0.0.1:8080', 'https://host/v1']);
    expect(parseServers('')).toEqual([]);
    expect(parseServers('localhost:8080')).toBeUndefined();
  });

  it('tells how far it is and how long it takes', () => {
    expect(progressText({ label: 'a', phase: 'measuring', doneRuns: 2, totalRuns: 6, remainingMs: 150_000 })).toBe('a: run 3 of 6, about 3 min left');
    expect(progressText({ label: 'a', phase: 'measuring', doneRuns: 6, totalRuns: 6, remainingMs: 0 })).toBe('a: run 6 of 6');
    expect(progressText({ label: 'a', phase: 'loading', doneRuns: 0, totalRuns: 6 })).toBe('loading a');
  });
});
