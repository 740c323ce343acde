/** `glm bench compare A.json B.json`: which figures changed beyond chance, and which pairs may not be compared at all. Pure. */

import { brokenRules, type BrokenRule } from '../comparability';
import { medianRatioInterval, reliableCount, summarize, type RatioInterval, type Summary } from '../statistics';
import { describeLoadSettings } from '../loadSettings';
import type { BenchmarkCase, BenchmarkReport, ModelShape } from './schema';

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
  /** In what the two differ besides the figures: machine, versions, model, settings. Known or not, it may be what was meant to be compared. */
  readonly unlike: readonly string[];
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
  return [...new Set([...before.cases, ...after.cases].map(({ name }) => name))].map((name) => {
    const [ours, theirs] = [before, after].map((report) => report.cases.filter((each) => each.name === name).map((measured): Side => ({ report, measured }))) as [Side[], Side[]];
    const [first, second] = [ours[0], theirs[0]];
    if (first === undefined || second === undefined) {
      return unpaired(name, 'missing', `only the report ${first === undefined ? 'after' : 'before'} has it`);
    }
    return ours.length > 1 || theirs.length > 1 ? unpaired(name, 'name', `${ours.length} cases before and ${theirs.length} after are called so: nobody knows which belong together`) : compareSides(first, second, tolerance);
  });
}

/** For a script that asks one question: did anything get slower? `undecided` when nothing certainly did, and something could not be told. */
export function overallVerdict(comparisons: readonly CaseComparison[]): 'worse' | 'undecided' | 'not-worse' {
  const verdicts = new Set(comparisons.flatMap((each) => each.changes.map((change) => change.verdict)));
  return verdicts.has('worse') ? 'worse' : verdicts.has('undecided') || comparisons.some((each) => each.broken.length > 0) ? 'undecided' : 'not-worse';
}

function unpaired(name: string, rule: 'missing' | 'name', explanation: string): CaseComparison {
  return { name, broken: [{ rule, explanation }], unlike: [], changes: [] };
}

interface Side {
  readonly report: BenchmarkReport;
  readonly measured: BenchmarkCase;
}

function compareSides(before: Side, after: Side, tolerance: number): CaseComparison {
  const comparison: CaseComparison = { ...compareCases(before.measured, after.measured, tolerance), unlike: unlikeFacts(before, after) };
  const moved = comparison.changes.some(({ interval }) => Math.abs(interval.ratio - 1) >= noteworthyChange);
  return moved ? { ...comparison, reasons: [...comparison.unlike, ...weaknesses(before, after)] } : comparison;
}

function unlikeFacts(before: Side, after: Side): readonly string[] {
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
  const [first, second] = [before.measured.load, after.measured.load].map((load) => load && describeLoadSettings(load));
  // Older reports do not tell.
  return first === undefined || second === undefined || first === second ? unlike : [...unlike, `settings: ${first} before; ${second} after`];
}

/** What each report itself says against its figures. */
function weaknesses(before: Side, after: Side): readonly string[] {
  return [before, after].flatMap((side) =>
    [...side.measured.cautions, ...(side.report.before ?? []).map((use) => `before the measurement ${use}`)].map((caution) => `${side === before ? 'before' : 'after'}: ${caution}`),
  );
}

/** Two reports that hold models of different sizes were not meant to be compared by the name of a case. Where a report does not tell sizes, {@link unlikeFacts} names the models. */
function otherModel({ model: a, shape: before }: BenchmarkCase, { model: b, shape: after }: BenchmarkCase): readonly BrokenRule[] {
  if (before === undefined || after === undefined) {
    return [];
  }
  const differing = (Object.keys(before) as (keyof ModelShape)[]).filter((key) => before[key] !== after[key]).map((key) => `${key} ${before[key]} and ${after[key]}`);
  return differing.length === 0 ? [] : [{ rule: 'model', explanation: `the models are not of one size: ${a} before, ${b} after (${differing.join(', ')})` }];
}

function compareCases(before: BenchmarkCase, after: BenchmarkCase, tolerance: number): Omit<CaseComparison, 'unlike'> {
  const broken = [...otherModel(before, after), ...brokenRules(before, after)];
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
