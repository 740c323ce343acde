/** From the report's series to what a plot draws. Pure. */

import type { CaseTrend, ReportCaseView, RunMetric } from '../../src/common/protocol/reportView';

export interface PlotSeries {
  readonly label: string;
  readonly values: readonly (number | null)[];
}

/** A vertical line with a name. */
export interface PlotMarker {
  readonly x: number;
  readonly label: string;
}

export interface PlotSpec {
  readonly kind: 'lines' | 'bars';
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  /** `time`: x counts seconds of Unix time. `count`: x is a whole number. */
  readonly xKind: 'time' | 'count' | 'value';
  readonly x: readonly number[];
  readonly series: readonly PlotSeries[];
  readonly markers?: readonly PlotMarker[];
  /** One sentence that tells what the plot shows to those who do not see it. */
  readonly summary: string;
}

export const metricLabels: Readonly<Record<RunMetric, string>> = {
  decodeTokensPerSecond: 'decode tok/s',
  prefillTokensPerSecond: 'prefill tok/s',
  ttftMs: 'TTFT ms',
  tpotMs: 'TPOT ms',
};

/** One line per case over the counted runs: drift and outliers show here. */
export function runsPlot(cases: readonly Pick<ReportCaseView, 'name' | 'runs'>[], metric: RunMetric): PlotSpec {
  const longest = Math.max(0, ...cases.map((each) => each.runs[metric].length));
  return {
    kind: 'lines',
    title: `Every run: ${metricLabels[metric]}`,
    xLabel: 'counted run',
    yLabel: metricLabels[metric],
    xKind: 'count',
    x: Array.from({ length: longest }, (_, index) => index + 1),
    series: cases.map((each) => ({ label: each.name, values: Array.from({ length: longest }, (_, index) => each.runs[metric][index] ?? null) })),
    summary: cases.map((each) => `${each.name}: ${rangeText(each.runs[metric])} over ${each.runs[metric].length} runs`).join('; '),
  };
}

/** How many gaps between tokens were how long, with the percentiles that the table quotes. */
export function itlPlot(each: Pick<ReportCaseView, 'name' | 'itlMs' | 'itlPercentiles'>): PlotSpec {
  const { centres, counts, widthMs } = histogram(each.itlMs, 40);
  const p = each.itlPercentiles;
  return {
    kind: 'bars',
    title: 'Times between tokens',
    xLabel: `ITL ms, in steps of ${Number(widthMs.toPrecision(2))}`,
    yLabel: 'gaps',
    xKind: 'value',
    x: centres,
    series: [{ label: each.name, values: counts }],
    ...(p === undefined ? {} : { markers: [{ x: p.p50, label: 'p50' }, { x: p.p90, label: 'p90' }, { x: p.p99, label: 'p99' }] }),
    summary: p === undefined ? `${each.name}: no times between tokens were reported` : `${each.name}: ${each.itlMs.length} gaps, p50 ${shown(p.p50)}, p90 ${shown(p.p90)}, p99 ${shown(p.p99)} ms`,
  };
}

export function trendPlot(trend: CaseTrend): PlotSpec {
  const values = trend.points.map((point) => point.decodeTokensPerSecond);
  return {
    kind: 'lines',
    title: 'Decode speed over time on this machine',
    xLabel: 'when',
    yLabel: 'decode tok/s',
    xKind: 'time',
    x: trend.points.map((point) => point.startedAtMs / 1000),
    series: [{ label: trend.caseName, values }],
    summary: `${trend.caseName}: ${rangeText(values)} over ${trend.points.length} ${trend.points.length === 1 ? 'report' : 'reports'}`,
  };
}

/**
 * Equal bins from the smallest to the 99.5th percentile; what lies above is counted in the last, so that one long gap does not flatten the rest.
 * The counts sum to the number of values.
 */
export function histogram(values: readonly number[], numBins: number): { readonly centres: readonly number[]; readonly counts: readonly number[]; readonly widthMs: number } {
  if (values.length === 0) {
    return { centres: [], counts: [], widthMs: 0 };
  }
  const sorted = [...values].sort((a, b) => a - b);
  const low = sorted[0] ?? 0;
  const high = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.995))] ?? low;
  if (high === low) {
    return { centres: [low], counts: [values.length], widthMs: 0 };
  }
  const width = (high - low) / numBins;
  const counts = new Array<number>(numBins).fill(0);
  for (const value of values) {
    const bin = Math.min(numBins - 1, Math.floor((value - low) / width));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return { centres: counts.map((_, index) => low + (index + 0.5) * width), counts, widthMs: width };
}

export function shown(value: number): string {
  return value >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(4)));
}

function rangeText(values: readonly number[]): string {
  return values.length === 0 ? 'n/a' : `${shown(Math.min(...values))} to ${shown(Math.max(...values))}`;
}
