/** `glm bench compare A.json B.json`: which figures changed beyond chance, and which pairs may not be compared at all. Pure. */

import { GlmError } from '../../common/errors';
import { brokenRules, type BrokenRule } from '../comparability';
import { medianRatioInterval, type RatioInterval } from '../statistics';
import { reportSchema, type BenchmarkCase, type BenchmarkReport } from './schema';

/**
 * A report that can't be read.
 *
 * Cause: not JSON, another schema, or fields of the wrong type. Handled by: the CLI and the report view, which show it.
 */
export class ReportFormatError extends GlmError {
  constructor(source: string, reason: string) {
    super('bench-report-format', `${source} is not a benchmark report of the schema ${reportSchema}: ${reason}. Write it with "glm bench --json" of this version.`, { fields: { source } });
  }
}

export interface MetricChange {
  readonly metric: 'ttftMs' | 'tpotMs' | 'decodeTokensPerSecond' | 'prefillTokensPerSecond';
  readonly before: number;
  readonly after: number;
  readonly interval: RatioInterval;
  /** `worse` and `better` only when the interval excludes no change. */
  readonly verdict: 'better' | 'worse' | 'same';
}

export interface CaseComparison {
  readonly name: string;
  readonly broken: readonly BrokenRule[];
  /** Empty when a rule is broken: such figures are not compared. */
  readonly changes: readonly MetricChange[];
  /** What was unlike or weak on either side, where a median moved by 3 % or more; empty when nothing explains it. Absent below that. */
  readonly reasons?: readonly string[];
}

/** Two runs on an idle machine stay below this; what moves more needs a reason. */
const noteworthyChange = 0.03;

const metrics = ['ttftMs', 'tpotMs', 'prefillTokensPerSecond', 'decodeTokensPerSecond'] as const;
const lowerIsBetter = new Set<string>(['ttftMs', 'tpotMs']);

/** Pairs cases by name, in the order of `before`; cases that only one report has are left out. */
export function compareReports(before: BenchmarkReport, after: BenchmarkReport): readonly CaseComparison[] {
  const others = new Map(after.cases.map((each) => [each.name, each]));
  return before.cases.flatMap((each) => {
    const other = others.get(each.name);
    if (other === undefined) {
      return [];
    }
    const comparison = compareCases(each, other);
    const moved = comparison.changes.some(({ interval }) => Math.abs(interval.ratio - 1) >= noteworthyChange);
    return [moved ? { ...comparison, reasons: reasonsFor({ report: before, measured: each }, { report: after, measured: other }) } : comparison];
  });
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

function compareCases(before: BenchmarkCase, after: BenchmarkCase): CaseComparison {
  const broken = brokenRules(before, after);
  if (broken.length > 0) {
    return { name: before.name, broken, changes: [] };
  }
  const changes = metrics.map((metric): MetricChange => {
    const a = before.samples.map((sample) => sample[metric]);
    const b = after.samples.map((sample) => sample[metric]);
    const interval = medianRatioInterval(a, b);
    const grew = interval.ratio > 1;
    const verdict = !interval.isDifferent ? 'same' : grew === lowerIsBetter.has(metric) ? 'worse' : 'better';
    return { metric, before: before.summaries[metric]?.median ?? NaN, after: after.summaries[metric]?.median ?? NaN, interval, verdict };
  });
  return { name: before.name, broken, changes };
}

/**
 * Checks that `value` is a report of this schema.
 * @throws {ReportFormatError} naming the first thing that is wrong.
 */
export function parseReport(source: string, text: string): BenchmarkReport {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ReportFormatError(source, `it is not JSON (${error instanceof Error ? error.message : String(error)})`);
  }
  const report = value as Partial<BenchmarkReport> | null;
  if (typeof report !== 'object' || report === null || report.schema !== reportSchema) {
    throw new ReportFormatError(source, `its "schema" is ${JSON.stringify((report as { schema?: unknown } | null)?.schema)}`);
  }
  if (!Array.isArray(report.cases)) {
    throw new ReportFormatError(source, '"cases" is not a list');
  }
  for (const [index, each] of report.cases.entries()) {
    const problem = problemOf(each);
    if (problem !== undefined) {
      throw new ReportFormatError(source, `cases[${index}] ${problem}`);
    }
  }
  return report as BenchmarkReport;
}

function problemOf(each: unknown): string | undefined {
  const candidate = each as Partial<BenchmarkCase> | null;
  if (typeof candidate !== 'object' || candidate === null || typeof candidate.name !== 'string') {
    return 'has no name';
  }
  if (typeof candidate.rules !== 'object' || candidate.rules === null || typeof candidate.summaries !== 'object' || candidate.summaries === null) {
    return 'has no rules or no summaries';
  }
  if (!Array.isArray(candidate.samples) || candidate.samples.length === 0) {
    return 'has no samples';
  }
  const bad = candidate.samples.some((sample: Partial<Record<(typeof metrics)[number], unknown>> | null) => metrics.some((metric) => typeof sample?.[metric] !== 'number'));
  return bad ? `has a sample without ${metrics.join(', ')}` : undefined;
}
