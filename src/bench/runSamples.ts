/** From the times of counted runs to a case's samples, summaries and the cautions about their spread. Pure. */

import { GlmError } from '../common/errors';
import type { BenchmarkCase, MetricName, RunSample } from './report/schema';
import { percentile, reliableCount, summarize, type Summary } from './statistics';

/**
 * A run that broke the rules and therefore is not a measurement.
 *
 * Cause: the engine stopped early, or answered from its cache. Handled by: {@link measureCase}, which ends the case with what was measured.
 */
export class UnfairRunError extends GlmError {
  constructor(reason: string) {
    super('bench-unfair-run', `A run can't be counted: ${reason}. Report this with "GLM: Diagnose"; the earlier samples are kept.`);
  }
}

/** What is known of every run, whoever generated. */
export interface RunTimes {
  readonly ttftMs: number;
  readonly tpotMs: number;
  /** When each token came, since submit; empty where an engine does not tell them apart. */
  readonly tokenTimesMs: readonly number[];
  readonly totalMs: number;
  readonly generatedTokens: number;
}

/** The part of a sample that is made of times; tokenizing and memory are the caller's. */
export function timesSample({ ttftMs, tpotMs, tokenTimesMs, totalMs, generatedTokens }: RunTimes): Pick<RunSample, 'ttftMs' | 'tpotMs' | 'itlMs' | 'totalMs' | 'generatedTokens'> {
  return { ttftMs, tpotMs, itlMs: tokenTimesMs.slice(1).map((time, index) => time - (tokenTimesMs[index] ?? time)), totalMs, generatedTokens };
}

export function summarizeSamples(samples: readonly RunSample[]): BenchmarkCase['summaries'] {
  const series = (values: readonly number[]): Summary | undefined => (values.length === 0 ? undefined : summarize(values));
  const summaries: Partial<Record<MetricName, Summary | undefined>> = {
    ttftMs: series(samples.map((sample) => sample.ttftMs)),
    tpotMs: series(samples.map((sample) => sample.tpotMs)),
    itlMs: series(samples.flatMap((sample) => sample.itlMs)),
    prefillTokensPerSecond: series(samples.map((sample) => sample.prefillTokensPerSecond)),
    decodeTokensPerSecond: series(samples.map((sample) => sample.decodeTokensPerSecond)),
    totalMs: series(samples.map((sample) => sample.totalMs)),
  };
  return Object.fromEntries(Object.entries(summaries).filter(([, summary]) => summary !== undefined));
}

const metricTitles: Readonly<Record<Exclude<MetricName, 'itlMs'>, string>> = {
  ttftMs: 'TTFT',
  tpotMs: 'TPOT',
  prefillTokensPerSecond: 'prefill tok/s',
  decodeTokensPerSecond: 'decode tok/s',
  totalMs: 'total time',
};

/** A gap between tokens this many times the median one is no slow step but a pause. */
const pauseFactor = 5;
const noteworthyPauseShare = 0.03;

/** One sentence where pauses make up a part of the time that would show in a comparison. */
export function pauseCautions(samples: readonly Pick<RunSample, 'itlMs'>[]): readonly string[] {
  const gaps = samples.flatMap(({ itlMs }) => itlMs);
  const median = gaps.length === 0 ? 0 : percentile(gaps, 50);
  const pauses = gaps.filter((gap) => gap > pauseFactor * median);
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const share = sum(pauses) / sum(gaps);
  return median > 0 && share >= noteworthyPauseShare
    ? [`single pauses took ${(share * 100).toFixed(0)} % of the time between tokens (the longest ${Math.max(...pauses).toFixed(1)} ms, where the median is ${median.toFixed(2)} ms): something held the process up`]
    : [];
}

/** One sentence over all figures that scatter too much or were sampled too rarely. Single token gaps always scatter, so they are left out. */
export function spreadCautions(summaries: BenchmarkCase['summaries']): readonly string[] {
  const unreliable = Object.entries(metricTitles).flatMap(([metric, title]) => {
    const summary = summaries[metric as keyof typeof metricTitles];
    return summary?.isUnreliable ? [{ title, percent: (summary.relativeSpread * 100).toFixed(0), count: summary.count }] : [];
  });
  const [first] = unreliable;
  if (first !== undefined && first.count < reliableCount) {
    return [`unreliable, only ${first.count} ${first.count === 1 ? 'sample' : 'samples'}, where at least ${reliableCount} are needed`];
  }
  return first === undefined ? [] : [`unreliable, ${first.count} samples with an interquartile range of so much of the median: ${unreliable.map(({ title, percent }) => `${title} ${percent} %`).join(', ')}`];
}
