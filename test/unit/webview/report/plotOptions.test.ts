import { describe, expect, it } from 'vitest';
import { itlPlot, trendPlot } from '../../../../webview/report/plotData';
import { padded } from '../../../../webview/report/plotOptions';

const day = 86_400;
const point = (startedAtMs: number) => ({ reportId: 'a', startedAtMs, decodeTokensPerSecond: 100, isUnreliable: false });

describe('the range of a plot', () => {
  it('shows the day around a single report, whatever the library asks for', () => {
    const at = Date.UTC(2026, 10, 30) / 1000;
    const spec = trendPlot({ caseName: 'a', points: [point(at * 1000)], leftOut: [] });
    expect(padded(spec, at, at + 1000 * day)).toEqual([at - day / 2, at + day / 2]);
  });

  it('keeps the ends of several reports whole', () => {
    const [first, last] = [1_000_000, 1_100_000];
    const [from, to] = padded(trendPlot({ caseName: 'a', points: [point(first * 1000), point(last * 1000)], leftOut: [] }), first, last);
    expect([(from ?? NaN) < first, (to ?? NaN) > last]).toEqual([true, true]);
  });

  it('holds a single bar and the markers beside it', () => {
    const [from, to] = padded(itlPlot({ name: 'a', itlMs: [2, 2, 2], itlPercentiles: { p50: 2, p90: 2, p99: 3 } }), 2, 2);
    expect([from, to]).toEqual([1.8, 3.2]);
  });
});
