/** Each case of a report held against one of them: faster, slower, the same within the noise, or not to be compared and why. Pure. */

import { brokenRules, type BrokenRule } from './comparability';
import type { BenchmarkCase, BenchmarkReport } from './report/schema';
import { medianRatioInterval } from './statistics';

export type CaseVerdict =
  | { readonly kind: 'baseline' }
  /** The rules that forbid the comparison, each with its reason. */
  | { readonly kind: 'not-comparable'; readonly broken: readonly BrokenRule[] }
  /** Median decode speed over the baseline's, with its confidence interval. `isUnreliable` when either side scatters too much or has too few runs. */
  | { readonly kind: 'compared'; readonly ratio: number; readonly low: number; readonly high: number; readonly confidence: number; readonly isDifferent: boolean; readonly isUnreliable: boolean };

/** One verdict per case. */
export function verdictsOf(report: BenchmarkReport, baselineIndex = 0): readonly CaseVerdict[] {
  const baseline = report.cases[baselineIndex];
  return report.cases.map((each, index): CaseVerdict => {
    if (baseline === undefined || index === baselineIndex) {
      return { kind: 'baseline' };
    }
    const broken = brokenRules(baseline, each);
    if (broken.length > 0) {
      return { kind: 'not-comparable', broken };
    }
    const isUnreliable = [baseline, each].some((one) => one.summaries.decodeTokensPerSecond?.isUnreliable !== false);
    return { kind: 'compared', ...medianRatioInterval(speeds(baseline), speeds(each)), isUnreliable };
  });
}

/** `1.53 × (1.50 to 1.56)`, `no difference (0.98 to 1.03)`, `not comparable: prompt`; short enough for a table. */
export function verdictText(verdict: CaseVerdict): string {
  switch (verdict.kind) {
    case 'baseline':
      return 'baseline';
    case 'not-comparable':
      return `not comparable: ${[...new Set(verdict.broken.map((each) => each.rule))].join(', ')}`;
    case 'compared': {
      const range = `(${verdict.low.toFixed(2)} to ${verdict.high.toFixed(2)})`;
      return `${verdict.isUnreliable ? 'unreliable: ' : ''}${verdict.isDifferent ? `${verdict.ratio.toFixed(2)} ×` : 'no difference'} ${range}`;
    }
    default:
      return verdict satisfies never;
  }
}

const speeds = (each: BenchmarkCase): readonly number[] => each.samples.map((sample) => sample.decodeTokensPerSecond);
