import { describe, expect, it } from 'vitest';
import { alignmentScenario, measuredCosts } from '../../../src/bench/scenarios/alignment';
import type { LoadOutcome, Scenario } from '../../../src/bench/scenarios/scenario';
import type { BenchmarkCase } from '../../../src/bench/report/schema';
import { summarize } from '../../../src/bench/statistics';
import type { AlignmentMessage } from '../../../src/common/alignment';
import { deviceId } from '../../../src/common/deviceId';
import type { LoadOptions } from '../../../src/common/protocol/engine';
import { fakeLoadedModel } from '../../fakes/fakeEngine';

const base: LoadOptions = { source: 'm', provider: 'webgpu', weights: 'int4', kvCache: 'auto', maxBatch: 1, deviceMap: { kind: 'auto' }, allowSoftwareGpu: true, cacheFolder: 'c', alignment: 'autoFix' };

function outcomes(scenario: Scenario, tpotOf: (label: string) => number): LoadOutcome[] {
  return scenario.loads.map((plan): LoadOutcome => {
    const median = tpotOf(plan.label);
    const times = [0, 1, 2, 3, 4].map((run) => median * (1 + run / 1000));
    const measured = { summaries: { tpotMs: summarize(times) }, samples: times.map((tpotMs) => ({ tpotMs })) } as unknown as BenchmarkCase;
    const message = { kind: 'kv-cache-on-cpu', key: 'k', message: 'm', state: 'left', bytesPerToken: 4096, next: [] } satisfies AlignmentMessage;
    const isKv = plan.load.misplace?.includes('kv') === true;
    const stage = { stageIndex: 0, device: deviceId('webgpu', 0), provider: 'webgpu', firstLayer: 0, endLayer: 1, hasEmbedding: true, hasHead: true, weightBytes: 0, kvBytes: 0, activationBytes: 0 } as const;
    const onGpu = { ...fakeLoadedModel.plan, stages: [stage] };
    return { plan, model: { ...fakeLoadedModel, plan: onGpu, alignment: isKv ? [message] : [], simulated: true }, cases: [measured], naturalStops: [] };
  });
}

const tpot = (label: string): number => ({ 'KV cache on cpu': 14, 'aligned, two stages': 12, 'hidden state through the host': 12.5, 'logits away from the sampler': 11 })[label] ?? 10;

describe('alignmentScenario', () => {
  const scenario = alignmentScenario(base);

  it('repairs nothing, and measures each kind in the same shape as its baseline, in two rounds', () => {
    const round = [
      [[], undefined],
      [['input_ids'], undefined],
      [['positions'], undefined],
      [['logits'], undefined],
      [['kv'], undefined],
      [['node'], undefined],
      // The first layer on the CPU, a second model, all of it on the CPU.
      [[], undefined],
      [[], undefined],
      [undefined, undefined],
      [[], 2],
      [['hidden'], 2],
    ];
    expect(scenario.loads.map(({ load }) => [load.misplace, load.numStages])).toEqual([...round, ...round]);
    expect(scenario.loads.every(({ load }) => load.alignment === 'off')).toBe(true);
    const byLabel = Object.fromEntries(scenario.loads.map((load) => [load.label, load]));
    expect(byLabel['first layer on cpu']?.load.deviceMap).toEqual({ kind: 'map', map: { '': 'webgpu:0', 'model.layers.0': 'cpu' } });
    expect(byLabel['whole model on cpu']?.load).toMatchObject({ provider: 'cpu', weights: 'auto' });
    expect(scenario.loads.filter(({ beside }) => beside !== undefined).map(({ label }) => label)).toEqual(new Array(2).fill('second model answering on the same device'));
    const names = scenario.loads.flatMap((load) => load.cases.map(({ name }) => name));
    expect(new Set(names).size).toBe(names.length);
  });

  it('calls a difference noise that one load of the two did not show', () => {
    let kvLoads = 0;
    const costs = scenario.alignmentCosts?.(outcomes(scenario, (label) => (label === 'KV cache on cpu' ? [14, 9.9][kvLoads++] ?? 0 : tpot(label)))) ?? [];
    expect(costs.find(({ tensor }) => tensor === 'kv')).toMatchObject({ isSignificant: false });
  });

  it('judges nothing by the one round that a cancel left', () => {
    const first = outcomes(scenario, tpot).slice(0, scenario.loads.length / 2);
    const costs = scenario.alignmentCosts?.(first) ?? [];
    expect(costs.length).toBeGreaterThan(5);
    expect(costs.filter(({ isSignificant }) => isSignificant)).toEqual([]);
    expect(measuredCosts(costs)).toEqual({});
  });

  it('takes each cost from the baseline of the same shape, with the bytes that the engine reported', () => {
    const costs = scenario.alignmentCosts?.(outcomes(scenario, tpot)) ?? [];
    const byTensor = Object.fromEntries(costs.map((cost) => [cost.tensor, cost]));
    expect(byTensor.kv).toMatchObject({ bytesPerToken: 4096, isSignificant: true });
    expect(byTensor.kv?.costMsPerToken).toBeCloseTo(4.008, 3);
    expect(byTensor.hidden?.costMsPerToken).toBeCloseTo(0.501, 3);
    expect(byTensor.input_ids).toMatchObject({ costMsPerToken: 0, isSignificant: false });
    expect(Object.keys(measuredCosts(costs)).sort()).toEqual(['hidden-state-through-host', 'host-bound-inputs:logits', 'kv-cache-on-cpu']);
  });

  it("compares a device map of the user's own with auto, and only that figure is told for its layers later", () => {
    const own = alignmentScenario({ ...base, deviceMap: { kind: 'map', map: { model: 'cpu' } } });
    const maps = Object.fromEntries(own.loads.map(({ label, load }) => [label, load.deviceMap.kind]));
    expect(maps).toMatchObject({ aligned: 'auto', 'device map auto': 'auto', 'layers as the device map says': 'map' });
    const costs = own.alignmentCosts?.(outcomes(own, (label) => (label === 'layers as the device map says' ? 30 : label === 'first layer on cpu' ? 12 : tpot(label)))) ?? [];
    expect(measuredCosts(costs)['stage-on-cpu']).toBeCloseTo(20.04, 2);
    expect(costs.every(({ simulated }) => simulated === true)).toBe(true);
  });

  it('says nothing about a kind that could not be measured, and names noise as noise', () => {
    const measured = outcomes(scenario, tpot).filter((outcome) => outcome.plan.label !== 'KV cache on cpu');
    const text = (scenario.explain?.(measured) ?? []).join('\n');
    expect(text).not.toContain('KV cache');
    expect(text).toMatch(/input_ids on cpu .* within the noise/);
    expect(text).toContain('simulated');
  });

  it('says in the table and in a note that what came out faster is no cost', () => {
    const measured = outcomes(scenario, (label) => (label === 'logits away from the sampler' ? 9 : tpot(label)));
    const [table, ...notes] = scenario.explain?.(measured) ?? [];
    expect(table).toMatch(/logits away from the sampler .* -1\.002 \| faster, so no cost \|/);
    expect(table).toMatch(/KV cache on cpu .* \| █{20} \|/);
    const told = notes.filter((note) => note.startsWith('Faster than'));
    expect(told).toEqual([expect.stringContaining('logits away from the sampler (1.002 ms per token)')]);
    expect((scenario.explain?.(outcomes(scenario, tpot)) ?? []).join('\n')).not.toContain('Faster than');
    const real = measured.map((outcome) => ({ ...outcome, model: { ...outcome.model, simulated: false } }));
    expect((scenario.explain?.(real) ?? []).join('\n')).not.toContain('rasteriser');
  });
});
