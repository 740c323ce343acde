/** `glm bench compare A.json B.json`: which figures changed beyond chance, and which pairs may not be compared at all. Pure. */

import { brokenRules, type BrokenRule } from '../comparability';
import { medianRatioInterval, reliableCount, summarize, type RatioInterval, type Summary } from '../statistics';
import type { BenchmarkCase, BenchmarkReport } from './schema';

export interface MetricChange {
  readonly metric: 'ttftMs' | 'tpotMs' | 'decodeTokensPerSecond' | 'prefillTokensPerSecond';
  readonly before: number;
  readonly after: number;
  readonly interval: RatioInterval;
  /**
   * `worse` and `better` only when the interval excludes no change and the median moved by at least the tolerance.
   * `undecided` where a side is marked unreliable, unless the change is larger than what the two sides scatter together.
   */
  readonly verdict: 'better' | 'worse' | 'same' | 'undecided';
  /** Why it is undecided. */
  readonly doubt?: string;
}

export interface CaseComparison {
  readonly name: string;
  /** Also `missing`, for a case that only one report has. */
  readonly broken: readonly BrokenRule[];
  /** Empty when a rule is broken: such figures are not compared. */
  readonly changes: readonly MetricChange[];
  /** What was unlike or weak on either side, where a median moved by 3 % or more; empty when nothing explains it. Absent below that. */
  readonly reasons?: readonly string[];
}

/** Two runs on an idle machine stay below this; what moves more needs a reason. Also how far a median may move before it counts as a change. */
export const noteworthyChange = 0.03;

const metrics = ['ttftMs', 'tpotMs', 'prefillTokensPerSecond', 'decodeTokensPerSecond'] as const;
const lowerIsBetter = new Set<string>(['ttftMs', 'tpotMs']);

/**
 * Pairs cases by name, in the order of `before`, then those that only `after` has.
 *
 * @param tolerance  How far a median may move, as a fraction, and still count as the same.
 */
export function compareReports(before: BenchmarkReport, after: BenchmarkReport, tolerance = noteworthyChange): readonly CaseComparison[] {
  const others = new Map(after.cases.map((each) => [each.name, each]));
  const known = new Set(before.cases.map((each) => each.name));
  return [
    ...before.cases.map((each) => {
      const other = others.get(each.name);
      if (other === undefined) {
        return missing(each.name, 'only the report before has it');
      }
      const comparison = compareCases(each, other, tolerance);
      const moved = comparison.changes.some(({ interval }) => Math.abs(interval.ratio - 1) >= noteworthyChange);
      return moved ? { ...comparison, reasons: reasonsFor({ report: before, measured: each }, { report: after, measured: other }) } : comparison;
    }),
    ...after.cases.filter(({ name }) => !known.has(name)).map(({ name }) => missing(name, 'only the report after has it')),
  ];
}

/** For a script that asks one question: did anything get slower? `undecided` when nothing certainly did, and something could not be told. */
export function overallVerdict(comparisons: readonly CaseComparison[]): 'worse' | 'undecided' | 'not-worse' {
  const verdicts = new Set(comparisons.flatMap((each) => each.changes.map((change) => change.verdict)));
  return verdicts.has('worse') ? 'worse' : verdicts.has('undecided') || comparisons.some((each) => each.broken.length > 0) ? 'undecided' : 'not-worse';
}

function missing(name: string, explanation: string): CaseComparison {
  return { name, broken: [{ rule: 'missing', explanation }], changes: [] };
}

interface Side {
  readonly report: BenchmarkReport;
  readonly measured: BenchmarkCase;
}

/** Unlike machines, versions and settings first, then what each report itself says against its figures. */
function reasonsFor(before: Side, after: Side): readonly string[] {
  const facts: readonly (readonly [string, (side: Side) => string | undefined])[] = [
    ['processor', ({ report }) => report.environment.cpu],
    ['threads', ({ report }) => String(report.environment.logicalCores)],
    ['GPUs', ({ report }) => report.environment.devices.flatMap((device) => (device.kind === 'cpu' ? [] : [`${device.name}, driver ${device.driverVersion ?? 'n/a'}`])).join('; ')],
    ['GLM Local', ({ report }) => `${report.environment.extensionVersion} ${report.environment.commit ?? ''}`.trim()],
    ['ONNX Runtime', ({ report }) => report.environment.runtimeVersion],
    ['engine', ({ measured }) => measured.engine],
    ['model', ({ measured }) => measured.model],
    ['weights', ({ measured }) => measured.weights],
    ['devices', ({ measured }) => measured.devices.join('+')],
  ];
  const unlike = facts.flatMap(([name, of]) => (of(before) === of(after) ? [] : [`${name}: ${of(before) || 'none'} before, ${of(after) || 'none'} after`]));
  const weak = [...new Set([before, after])].flatMap((side) =>
    [...side.measured.cautions, ...(side.report.before ?? []).map((use) => `before the measurement ${use}`)].map((caution) => `${side === before ? 'before' : 'after'}: ${caution}`),
  );
  return [...unlike, ...weak];
}

function compareCases(before: BenchmarkCase, after: BenchmarkCase, tolerance: number): CaseComparison {
  const broken = brokenRules(before, after);
  if (broken.length > 0) {
    return { name: before.name, broken, changes: [] };
  }
  const changes = metrics.map((metric): MetricChange => {
    // From the samples, so that a report can't claim to be steadier than its runs were.
    const [a, b] = [before, after].map(({ samples }) => samples.map((sample) => sample[metric])) as [number[], number[]];
    const sides = [summarize(a), summarize(b)] as const;
    const interval = medianRatioInterval(a, b);
    return { metric, before: sides[0].median, after: sides[1].median, interval, ...judge(interval, sides, lowerIsBetter.has(metric), tolerance) };
  });
  return { name: before.name, broken, changes };
}

/**
 * An interval over the runs of one load knows nothing of what disturbed that load as a whole; the spread is what shows it.
 * So a figure that is marked unreliable decides only when it moved by more than both sides scatter together.
 */
function judge(interval: RatioInterval, sides: readonly [Summary, Summary], isLowerBetter: boolean, tolerance: number): Pick<MetricChange, 'verdict' | 'doubt'> {
  const [a, b] = sides;
  const isMoved = interval.isDifferent && Math.abs(interval.ratio - 1) >= tolerance;
  const moved = interval.ratio > 1 === isLowerBetter ? 'worse' : 'better';
  const fewest = Math.min(a.count, b.count);
  if (fewest < reliableCount) {
    return { verdict: 'undecided', doubt: `${fewest} ${fewest === 1 ? 'run' : 'runs'}, where at least ${reliableCount} are needed` };
  }
  if (a.isUnreliable || b.isUnreliable) {
    const isBeyondScatter = isMoved && Math.abs(Math.log(interval.ratio)) > Math.log1p(a.relativeSpread + b.relativeSpread);
    return isBeyondScatter ? { verdict: moved } : { verdict: 'undecided', doubt: `unreliable, the runs scatter by ${percentText(a.relativeSpread)} before and ${percentText(b.relativeSpread)} after` };
  }
  return { verdict: isMoved ? moved : 'same' };
}

const percentText = (fraction: number): string => `${(fraction * 100).toFixed(0)} %`;
