/** A stored report as its panel shows it: everything judged and formatted here, so that the view only draws. Pure. */

import { basename } from 'node:path';
import { brokenRules } from '../../bench/comparability';
import { toTable } from '../../bench/report/writers';
import type { BenchmarkCase, BenchmarkReport, RunSample } from '../../bench/report/schema';
import { medianRatioInterval } from '../../bench/statistics';
import { formatBytes } from '../../common/byteFormat';
import type { CaseAgainstBaseline, CaseTrend, ReportCaseView, ReportView, RunMetric, TrendPoint } from '../../common/protocol/reportView';
import { machineKey, type StoredReport } from './reportStore';

const titles: Readonly<Record<string, string>> = {
  standard: 'Standard lengths',
  'chat-vs-base': 'Chat against base',
  precision: 'Weight formats',
  concurrency: 'Concurrent requests',
  context: 'Context length',
  devices: 'Devices',
};

export function scenarioTitle(scenario: string): string {
  return titles[scenario] ?? scenario;
}

/** @param history  All stored reports, in any order; those of this machine make the trends. */
export function toReportView({ id, report }: StoredReport, history: readonly StoredReport[], baselineIndex = 0): ReportView {
  const table = toTable(report);
  return {
    id,
    title: `${scenarioTitle(report.scenario)}: ${modelNames(report)}`,
    startedAtMs: Date.parse(report.startedAt),
    elapsedMs: report.elapsedMs,
    facts: factsOf(report),
    columns: table.columns,
    cases: report.cases.map((each, index) => toCaseView(each, table.rows[index] ?? [])),
    baselineIndex,
    comparisons: compareWithBaseline(report, baselineIndex),
    trends: report.cases.map((each) => trendOf(each, report, history)),
    notes: report.notes,
  };
}

export function modelNames(report: BenchmarkReport): string {
  return [...new Set(report.cases.map((each) => each.model))].join(' and ') || 'no model';
}

/** Each case against one of them: the ratio of the median decode speeds, or the rules that forbid it. */
export function compareWithBaseline(report: BenchmarkReport, baselineIndex: number): readonly CaseAgainstBaseline[] {
  const baseline = report.cases[baselineIndex];
  return report.cases.map((each, index): CaseAgainstBaseline => {
    if (baseline === undefined || index === baselineIndex) {
      return { kind: 'baseline' };
    }
    const broken = brokenRules(baseline, each);
    if (broken.length > 0) {
      return { kind: 'not-comparable', broken };
    }
    const { ratio, low, high, confidence, isDifferent } = medianRatioInterval(speeds(baseline), speeds(each));
    return { kind: 'compared', ratio, low, high, confidence, isDifferent };
  });
}

function toCaseView(each: BenchmarkCase, cells: readonly string[]): ReportCaseView {
  const series = (metric: RunMetric): readonly number[] => each.samples.map((sample) => sample[metric]);
  const itl = each.summaries.itlMs;
  return {
    name: each.name,
    cells,
    runs: { decodeTokensPerSecond: series('decodeTokensPerSecond'), prefillTokensPerSecond: series('prefillTokensPerSecond'), ttftMs: series('ttftMs'), tpotMs: series('tpotMs') },
    itlMs: each.samples.flatMap((sample) => sample.itlMs),
    ...(itl === undefined ? {} : { itlPercentiles: { p50: itl.p50, p90: itl.p90, p99: itl.p99 } }),
    peakMemory: peakMemory(each.samples),
    cautions: [...each.cautions, ...(each.endedBy === undefined ? [] : [`ended early: ${each.endedBy}; the ${each.samples.length} runs until then are kept`])],
    rules: rulesOf(each),
  };
}

function rulesOf({ rules, samples }: BenchmarkCase): ReportCaseView['rules'] {
  return [
    { label: 'Prompt', value: `${rules.promptTokens} tokens, the same ids in every run (SHA-256 ${rules.promptHash.slice(0, 12)}…)` },
    { label: 'Answer', value: `exactly ${rules.newTokens} tokens; stop tokens are ignored` },
    { label: 'Sampling', value: `${rules.sampling}, seed ${rules.seed}` },
    { label: 'Runs', value: `${samples.length} of ${rules.repetitions} counted, after ${rules.warmupRuns} warm-up that ${rules.warmupRuns === 1 ? 'is' : 'are'} not` },
    { label: 'Requests at once', value: String(rules.concurrency) },
    { label: 'Times', value: 'the median is quoted; tokenization is timed apart; no run takes keys and values from the run before it' },
  ];
}

function peakMemory(samples: readonly RunSample[]): ReportCaseView['peakMemory'] {
  const peaks = new Map<string, number>();
  for (const [device, bytes] of samples.flatMap((sample) => Object.entries(sample.peakMemoryBytes))) {
    peaks.set(device, Math.max(bytes, peaks.get(device) ?? 0));
  }
  return [...peaks].map(([device, bytes]) => ({ device, bytes }));
}

function factsOf({ environment, cases }: BenchmarkReport): ReportView['facts'] {
  const { devices } = environment;
  return [
    { label: 'Processor', value: `${environment.cpu}, ${environment.logicalCores} threads, ${formatBytes(environment.memoryBytes)}` },
    ...devices.filter((device) => device.kind !== 'cpu').map((device) => ({ label: device.id, value: `${device.name}, ${formatBytes(device.totalBytes)}, driver ${device.driverVersion ?? 'n/a'}` })),
    { label: 'Model', value: [...new Set(cases.map((each) => basename(each.modelIdentity)))].join(', ') || 'n/a' },
    { label: 'Provider', value: [...new Set(cases.map((each) => each.provider))].join(', ') || 'n/a' },
    { label: 'Versions', value: `GLM Local ${environment.extensionVersion}, ONNX Runtime ${environment.runtimeVersion ?? 'n/a'}, Node ${environment.nodeVersion}, ${environment.platform}` },
  ];
}

/** The same case, model, weights and devices on the same machine. What breaks a rule against the shown case is left out, with the reason. */
function trendOf(each: BenchmarkCase, report: BenchmarkReport, history: readonly StoredReport[]): CaseTrend {
  const machine = machineKey(report.environment);
  const points: TrendPoint[] = [];
  const leftOut: { startedAtMs: number; reason: string }[] = [];
  for (const stored of [...history].sort((a, b) => a.report.startedAt.localeCompare(b.report.startedAt))) {
    const same = machineKey(stored.report.environment) === machine ? stored.report.cases.find((other) => seriesKey(other) === seriesKey(each)) : undefined;
    if (same === undefined) {
      continue;
    }
    const startedAtMs = Date.parse(stored.report.startedAt);
    const summary = same.summaries.decodeTokensPerSecond;
    const [broken] = brokenRules(each, same).filter((rule) => rule.rule !== 'repetitions');
    if (broken !== undefined) {
      leftOut.push({ startedAtMs, reason: broken.explanation });
    } else if (summary !== undefined) {
      points.push({ reportId: stored.id, startedAtMs, decodeTokensPerSecond: summary.median, isUnreliable: summary.isUnreliable });
    }
  }
  return { caseName: each.name, points, leftOut };
}

function seriesKey(each: BenchmarkCase): string {
  return JSON.stringify([each.name, each.model, each.weights, each.provider, each.devices]);
}

const speeds = (each: BenchmarkCase): readonly number[] => each.samples.map((sample) => sample.decodeTokensPerSecond);
