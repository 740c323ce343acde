import { describe, expect, it } from 'vitest';
import { conclusionsOf } from '../../../src/bench/report/conclusions';
import { benchmarkReport } from '../../fakes/benchmarkReport';

const report = benchmarkReport();
const [transformers, ours, server] = report.cases as [NonNullable<(typeof report.cases)[0]>, NonNullable<(typeof report.cases)[0]>, NonNullable<(typeof report.cases)[0]>];
const limit = (fractionOfLimit: number) => ({ copyBytesPerSecond: { cpu: 1e9 }, readBytesPerToken: 1, limitTpotMs: 1, fractionOfLimit });

describe('conclusionsOf', () => {
  it('says how fast the first case is, which cases may be compared, and what holds decoding up', () => {
    expect(conclusionsOf(report)).toEqual([
      'transformers (eager), prompt 512, 4 new: 100 tokens per second, the first after 100 ms.',
      '1 of 2 other cases may be compared with it; the table names the rule for each of the rest.',
      'Decoding reaches 5 % of what copying within the device\'s memory allows, so memory is not what holds it up; "GLM: Profile a Generation" shows which operators take the time.',
    ]);
  });

  it('points to fewer bits only where weights can have fewer', () => {
    const bound = (weights: string) => conclusionsOf({ ...report, cases: [{ ...ours, weights, bandwidth: limit(0.8) }] }).at(-1);
    expect(bound('bf16')).toBe('Decoding reaches 80 % of what copying within the device\'s memory allows, so it is bound by memory; weights in fewer bits read less, and the scenario "Weight formats" measures what that gains and costs.');
    expect(conclusionsOf({ ...report, cases: [{ ...ours, bandwidth: limit(1.4) }] }).at(-1)).toContain('a cache holds the weights');
    expect(bound('int4')).toBe("Decoding reaches 80 % of what copying within the device's memory allows, so it is bound by memory.");
  });

  it('says nothing about comparing where there is one case, and when all or none may be', () => {
    expect(conclusionsOf({ ...report, cases: [{ ...ours, bandwidth: undefined }] })).toHaveLength(1);
    expect(conclusionsOf({ ...report, cases: [transformers, ours] })[1]).toMatch(/^All other cases/);
    expect(conclusionsOf({ ...report, cases: [ours, server] })[1]).toMatch(/^No other case/);
  });

  it('does not hide that a figure is unreliable', () => {
    const few = ours.samples.slice(0, 3);
    const summaries = { ...ours.summaries, decodeTokensPerSecond: { ...ours.summaries.decodeTokensPerSecond!, isUnreliable: true } };
    const unreliable = conclusionsOf({ ...report, cases: [{ ...ours, samples: few, summaries: { ...summaries, tpotMs: summaries.decodeTokensPerSecond } }] });
    expect(unreliable[0]).toContain('marked unreliable');
    expect(unreliable).toHaveLength(1);
  });
});
