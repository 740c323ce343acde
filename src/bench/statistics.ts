/** Statistics of repeated measurements: what is shown for one series, and whether two series differ. Pure. */

import type { Amount, Count } from '../common/quantities';

/** Summary of one series. Percentiles interpolate linearly between ranks (the default of numpy.percentile). */
export interface Summary {
  /** Samples in the series. */
  readonly count: Count;
  /** In the unit of the metric, as are the others up to p99. */
  readonly median: number;
  /** Arithmetic mean. */
  readonly mean: number;
  /** Sample standard deviation (n − 1); 0 for a single sample. */
  readonly standardDeviation: Amount;
  /** Smallest sample. */
  readonly min: number;
  /** Largest sample. */
  readonly max: number;
  /** The median again. */
  readonly p50: number;
  /** 90th percentile. */
  readonly p90: number;
  /** 99th percentile. */
  readonly p99: number;
  /**
   * Interquartile range divided by the median: how wide the series is, in a way that one outlier can't spoil.
   * Infinite for a median of 0 in a series that varies, which JSON writes as null.
   * @nullable
   */
  readonly relativeSpread: Amount;
  /** True when the spread is too wide, or the samples too few, for the median to be quoted as a result. */
  readonly isUnreliable: boolean;
}

/** Above this interquartile range over median, a series is marked unreliable instead of being averaged away. */
export const reliableSpread = 0.1;
/** Below this many repetitions, a series is marked unreliable. */
export const reliableCount = 5;

/** @throws {RangeError} for an empty series or one with a value that is not finite. */
export function summarize(samples: readonly number[]): Summary {
  if (samples.length === 0 || samples.some((sample) => !Number.isFinite(sample))) {
    throw new RangeError(`Expected at least one finite sample, got [${samples.join(', ')}].`);
  }
  const sorted = [...samples].sort((a, b) => a - b);
  const mean = sorted.reduce((sum, sample) => sum + sample, 0) / sorted.length;
  const squares = sorted.reduce((sum, sample) => sum + (sample - mean) ** 2, 0);
  const median = percentileOf(sorted, 50);
  const spread = percentileOf(sorted, 75) - percentileOf(sorted, 25);
  const relativeSpread = median === 0 ? (spread === 0 ? 0 : Infinity) : spread / Math.abs(median);
  return {
    count: sorted.length,
    median,
    mean,
    standardDeviation: sorted.length > 1 ? Math.sqrt(squares / (sorted.length - 1)) : 0,
    min: sorted[0] ?? NaN,
    max: sorted.at(-1) ?? NaN,
    p50: median,
    p90: percentileOf(sorted, 90),
    p99: percentileOf(sorted, 99),
    relativeSpread,
    isUnreliable: sorted.length < reliableCount || relativeSpread > reliableSpread,
  };
}

/** Percentile 0–100 of a series in any order. */
export function percentile(samples: readonly number[], percent: number): number {
  return percentileOf([...samples].sort((a, b) => a - b), percent);
}

/** An interval for median(b) / median(a). */
export interface RatioInterval {
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
  /** For example 0.95. */
  readonly confidence: number;
  /** True when the interval excludes 1. */
  readonly isDifferent: boolean;
}

/**
 * Bootstrap interval of the ratio of medians: both series are drawn anew with replacement, 2,000 times, from a fixed seed.
 * The same samples always give the same interval.
 *
 * @see B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile interval)
 */
export function medianRatioInterval(a: readonly number[], b: readonly number[], confidence = 0.95): RatioInterval {
  const random = mulberry32(0x9e3779b9);
  const draws = 2000;
  const ratios: number[] = [];
  for (let draw = 0; draw < draws; draw += 1) {
    ratios.push(resampledMedian(b, random) / resampledMedian(a, random));
  }
  const tail = ((1 - confidence) / 2) * 100;
  const low = percentile(ratios, tail);
  const high = percentile(ratios, 100 - tail);
  return { ratio: percentile(b, 50) / percentile(a, 50), low, high, confidence, isDifferent: low > 1 || high < 1 };
}

function resampledMedian(samples: readonly number[], random: () => number): number {
  const drawn = samples.map(() => samples[Math.floor(random() * samples.length)] ?? NaN);
  return percentile(drawn, 50);
}

function percentileOf(sorted: readonly number[], percent: number): number {
  const rank = (Math.min(100, Math.max(0, percent)) / 100) * (sorted.length - 1);
  const below = Math.floor(rank);
  const low = sorted[below] ?? NaN;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] ?? NaN;
  return Math.min(high, low + (high - low) * (rank - below));
}

/** Tommy Ettinger's mulberry32 (public domain): a 32-bit generator, enough for resampling and free of any global state. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
