import { describe, expect, it } from 'vitest';
import { compareReports, overallVerdict } from '../../../src/bench/report/compareReports';
import { repeatabilityNotes } from '../../../src/bench/repeatability';
import { reportSchema, type BenchmarkCase, type BenchmarkReport, type RunSample } from '../../../src/bench/report/schema';
import { summarize } from '../../../src/bench/statistics';

function sample(decodeTokensPerSecond: number): RunSample {
  return {
    ttftMs: 100,
    tpotMs: 1000 / decodeTokensPerSecond,
    itlMs: [],
    totalMs: 1,
    tokenizeMs: 0,
    generatedTokens: 16,
    prefillTokensPerSecond: 500,
    decodeTokensPerSecond,
    peakMemoryBytes: {},
  };
}

function caseOf(speeds: readonly number[], changes: Partial<BenchmarkCase> = {}): BenchmarkCase {
  const samples = speeds.map(sample);
  const summary = (pick: (each: RunSample) => number) => summarize(samples.map(pick));
  return {
    name: 'standard',
    model: 'm',
    modelIdentity: 'x',
    engine: 'glm-local',
    provider: 'cpu',
    weights: 'int4',
    devices: ['cpu'],
    rules: { promptTokens: 8, newTokens: 16, promptHash: 'h', eosIgnored: true, sampling: 'greedy', seed: 1, warmupRuns: 1, repetitions: speeds.length, batch: 1, concurrency: 1 },
    samples,
    summaries: {
      ttftMs: summary((each) => each.ttftMs),
      tpotMs: summary((each) => each.tpotMs),
      prefillTokensPerSecond: summary((each) => each.prefillTokensPerSecond),
      decodeTokensPerSecond: summary((each) => each.decodeTokensPerSecond),
    },
    cautions: [],
    ...changes,
  };
}

function report(...cases: BenchmarkCase[]): BenchmarkReport {
  return {
    schema: reportSchema,
    scenario: 'standard',
    startedAt: '2026-01-01T00:00:00Z',
    elapsedMs: 1,
    environment: { extensionVersion: '0', nodeVersion: '20', platform: 'linux', cpu: 'c', logicalCores: 2, memoryBytes: 1, devices: [] },
    cases,
    notes: [],
  };
}

const steady = [50, 51, 49, 50, 50];

describe('compareReports', () => {
  it('looks for reasons where a median moved by 3 % or more, and only there', () => {
    const slower = caseOf(steady.map((value) => value * 0.9), { cautions: ['cuda:0 was throttled: thermal'] });
    const after = { ...report(slower), before: ['cpu was busy to 50 %'], environment: { ...report().environment, cpu: 'other' } };
    const [moved] = compareReports(report(caseOf(steady)), after);
    expect(moved?.reasons).toEqual(['processor: c before, other after', 'after: cuda:0 was throttled: thermal', 'after: before the measurement cpu was busy to 50 %']);
    expect(compareReports(report(caseOf(steady)), report(caseOf(steady.map((value) => value * 1.01))))[0]).not.toHaveProperty('reasons');
    expect(compareReports(report(caseOf(steady)), report(caseOf(steady.map((value) => value * 0.9))))[0]?.reasons).toEqual([]);
  });

  it('names what is unlike whether or not a figure moved', () => {
    const [same] = compareReports(report(caseOf(steady)), report(caseOf(steady, { model: 'other', weights: 'int8' })));
    expect(same).toMatchObject({ broken: [], unlike: ['model: m before, other after', 'weights: int4 before, int8 after'] });
    expect(same).not.toHaveProperty('reasons');
    expect(compareReports(report(caseOf(steady)), report(caseOf(steady)))[0]?.unlike).toEqual([]);
    const load = { contextTokens: 1000, maxBatch: 1, kvCache: 'f32', stages: ['cpu: layers 0 to 1'] };
    const [settings] = compareReports(report(caseOf(steady, { load })), report(caseOf(steady.map((value) => value / 2), { load: { ...load, threads: 1 } })));
    expect(settings?.unlike).toEqual(['settings: context 1,000 for 1 sequence, f32 keys and values, cpu: layers 0 to 1 before; context 1,000 for 1 sequence, f32 keys and values, cpu: layers 0 to 1, 1 thread after']);
    expect(settings?.reasons).toEqual(settings?.unlike);
    expect(compareReports(report(caseOf(steady)), report(caseOf(steady, { load })))[0]?.unlike).toEqual([]);
  });

  it('does not compare models of different sizes, nor cases of one name', () => {
    const shape = { architecture: 'glm4', numLayers: 2, hiddenSize: 8, intermediateSize: 8, numHeads: 1, numKvHeads: 1, headDim: 8, vocabSize: 8, parameterCount: 100 };
    const [other] = compareReports(report(caseOf(steady, { shape })), report(caseOf(steady, { model: 'm2', shape: { ...shape, numLayers: 4, parameterCount: 200 } })));
    expect(other).toMatchObject({ broken: [{ rule: 'model', explanation: 'the models are not of one size: m before, m2 after (numLayers 2 and 4, parameterCount 100 and 200)' }], changes: [], unlike: ['model: m before, m2 after'] });
    expect(compareReports(report(caseOf(steady, { shape })), report(caseOf(steady, { model: 'tuned', shape })))[0]?.broken).toEqual([]);
    const [twice] = compareReports(report(caseOf(steady)), report(caseOf(steady), caseOf(steady)));
    expect(twice).toMatchObject({ broken: [{ rule: 'name', explanation: '1 cases before and 2 after are called so: nobody knows which belong together' }], changes: [] });
    expect(overallVerdict([twice as NonNullable<typeof twice>])).toBe('undecided');
  });

  it('tells a report against the one before it', () => {
    const text = repeatabilityNotes(report(caseOf(steady)), report(caseOf(steady.map((value) => value * 0.9)))).join();
    expect(text).toContain('"standard" moved against the report of 2026-01-01T00:00:00Z');
    expect(text).toContain('decodeTokensPerSecond -10 %. Nothing in the two reports explains it.');
    expect(repeatabilityNotes(report(caseOf(steady)), report(caseOf(steady)))).toEqual([]);
  });

  it('calls a faster decode better and a longer TPOT worse', () => {
    const fast = compareReports(report(caseOf(steady)), report(caseOf(steady.map((value) => value * 1.5))))[0];
    const verdicts = Object.fromEntries(fast?.changes.map((change) => [change.metric, change.verdict]) ?? []);
    expect(verdicts).toEqual({ ttftMs: 'same', tpotMs: 'better', prefillTokensPerSecond: 'same', decodeTokensPerSecond: 'better' });
    const slow = compareReports(report(caseOf(steady)), report(caseOf(steady.map((value) => value / 2))))[0];
    expect(slow?.changes.find((change) => change.metric === 'tpotMs')?.verdict).toBe('worse');
  });

  it('does not compare across a broken rule, and names the rule', () => {
    const longer = caseOf(steady, { rules: { ...caseOf(steady).rules, newTokens: 32 } });
    const [comparison] = compareReports(report(caseOf(steady)), report(longer));
    expect(comparison?.changes).toEqual([]);
    expect(comparison?.broken.map((each) => each.rule)).toEqual(['length', 'early-stop']);
  });

  it('names a case that only one report has, on either side, and does not pass over it', () => {
    const comparisons = compareReports(report(caseOf(steady), caseOf(steady, { name: 'long' })), report(caseOf(steady), caseOf(steady, { name: 'new' })));
    expect(comparisons.map(({ name, broken }) => [name, broken.map(({ explanation }) => explanation)])).toEqual([
      ['standard', []],
      ['long', ['only the report before has it']],
      ['new', ['only the report after has it']],
    ]);
    expect(overallVerdict(comparisons)).toBe('undecided');
  });

  const scattered = [30, 50, 70, 40, 60];
  const decode = (before: readonly number[], after: readonly number[], tolerance?: number) => compareReports(report(caseOf(before)), report(caseOf(after)), tolerance)[0]?.changes.find((change) => change.metric === 'decodeTokensPerSecond');

  it('decides nothing between runs that scatter, whichever side, unless they moved by more than that', () => {
    expect(decode(scattered, scattered)).toMatchObject({ verdict: 'undecided', doubt: 'unreliable, the runs scatter by 40 % before and 40 % after' });
    expect(decode(scattered, scattered.map((value) => value * 0.7))?.verdict).toBe('undecided');
    expect(decode(steady, scattered.map((value) => value * 0.75))?.verdict).toBe('undecided');
    expect(decode(scattered, scattered.map((value) => value / 10))).toMatchObject({ verdict: 'worse' });
    expect(decode(scattered, scattered.map((value) => value * 10))).toMatchObject({ verdict: 'better' });
  });

  it('decides nothing on fewer than five runs', () => {
    expect(decode([50, 50, 50], [20, 20, 20])).toMatchObject({ verdict: 'undecided', doubt: '3 runs, where at least 5 are needed' });
  });

  it('takes a median that moved by less than the tolerance for the same, however narrow the interval', () => {
    const slower = (factor: number) => steady.map((value) => value * factor);
    expect(decode([50, 50, 50, 50, 50], [49, 49, 49, 49, 49])?.verdict).toBe('same');
    expect(decode(steady, slower(0.9))?.verdict).toBe('worse');
    expect(decode(steady, slower(0.9), 0.15)?.verdict).toBe('same');
    expect(decode([50, 50, 50, 50, 50], [49, 49, 49, 49, 49], 0.01)?.verdict).toBe('worse');
  });

  it('judges by the samples, whatever the summaries claim', () => {
    const claims = { ...caseOf(steady).summaries };
    const [comparison] = compareReports(report(caseOf(scattered, { summaries: claims })), report(caseOf(scattered, { summaries: claims })));
    expect(comparison?.changes.find((change) => change.metric === 'tpotMs')?.verdict).toBe('undecided');
  });

  it('sums up for a script: worse before undecided, undecided before not worse', () => {
    const worse = caseOf(steady.map((value) => value / 2));
    const unclear = { name: 'b' };
    expect(overallVerdict(compareReports(report(caseOf(steady)), report(caseOf(steady))))).toBe('not-worse');
    expect(overallVerdict(compareReports(report(caseOf(steady), caseOf(scattered, unclear)), report(caseOf(steady), caseOf(scattered, unclear))))).toBe('undecided');
    expect(overallVerdict(compareReports(report(caseOf(steady), caseOf(scattered, unclear)), report(worse, caseOf(scattered, unclear))))).toBe('worse');
  });
});
