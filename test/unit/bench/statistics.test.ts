import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { medianRatioInterval, percentile, summarize } from '../../../src/bench/statistics';

const finite = fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((value) => value + 0);

describe('summarize', () => {
  it('gives the figures of a series worked out by hand', () => {
    const summary = summarize([4, 1, 3, 2, 5]);
    expect(summary).toMatchObject({ count: 5, median: 3, mean: 3, min: 1, max: 5, p50: 3 });
    expect(summary.standardDeviation).toBeCloseTo(Math.sqrt(2.5), 12);
    expect(summary.p90).toBeCloseTo(4.6, 12);
    expect(summary.relativeSpread).toBeCloseTo(2 / 3, 12);
  });

  it('marks a wide series and a short series as unreliable, a tight one not', () => {
    expect(summarize([100, 101, 100, 99, 100]).isUnreliable).toBe(false);
    expect(summarize([100, 130, 70, 150, 60]).isUnreliable).toBe(true);
    expect(summarize([100, 100, 100, 100]).isUnreliable).toBe(true);
  });

  it('is not moved by one outlier beyond the tail percentiles', () => {
    const summary = summarize([10, 10, 10, 10, 10, 10, 10, 10, 10, 5000]);
    expect(summary.median).toBe(10);
    expect(summary.isUnreliable).toBe(false);
  });

  it('refuses an empty series and a series with NaN', () => {
    expect(() => summarize([])).toThrow(RangeError);
    expect(() => summarize([1, NaN])).toThrow(/NaN/);
  });

  it('keeps min ≤ p50 ≤ p90 ≤ p99 ≤ max for every series', () => {
    fc.assert(
      fc.property(fc.array(finite, { minLength: 1, maxLength: 40 }), (samples) => {
        const s = summarize(samples);
        expect(s.min <= s.p50 && s.p50 <= s.p90 && s.p90 <= s.p99 && s.p99 <= s.max).toBe(true);
      }),
    );
  });
});

describe('percentile', () => {
  it('meets the ends of the series at 0 and 100', () => {
    fc.assert(
      fc.property(fc.array(finite, { minLength: 1 }), (samples) => {
        expect(percentile(samples, 0)).toBe(Math.min(...samples));
        expect(percentile(samples, 100)).toBe(Math.max(...samples));
      }),
    );
  });
});

describe('medianRatioInterval', () => {
  it('finds a real change and leaves noise alone', () => {
    const base = [100, 102, 98, 101, 99, 100, 103];
    expect(medianRatioInterval(base, base.map((value) => value * 1.3)).isDifferent).toBe(true);
    expect(medianRatioInterval(base, [101, 99, 100, 102, 98, 101, 100]).isDifferent).toBe(false);
  });

  it('contains the ratio it is about, and is the same each time', () => {
    const a = [10, 11, 12, 9, 10];
    const b = [20, 22, 19, 21, 20];
    const interval = medianRatioInterval(a, b);
    expect(interval.low).toBeLessThanOrEqual(interval.ratio);
    expect(interval.high).toBeGreaterThanOrEqual(interval.ratio);
    expect(medianRatioInterval(a, b)).toEqual(interval);
  });
});
