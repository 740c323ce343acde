/** A stored report as its panel shows it: everything judged and formatted here, so that the view only draws. Pure. */

import { basename } from 'node:path';
import { brokenRules } from '../../bench/comparability';
import { describeLoadSettings } from '../../bench/loadSettings';
import { conclusionsOf } from '../../bench/report/conclusions';
import { describeBeforeText, peakMemory, remarksOf, toTable, type ReportTable } from '../../bench/report/writers';
import type { BenchmarkCase, BenchmarkReport } from '../../bench/report/schema';
import { verdictsOf, verdictText } from '../../bench/verdict';
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
  alignment: 'Device alignment',
  others: 'Against others',
};

export function scenarioTitle(scenario: string): string {
  return titles[scenario] ?? scenario;
}

/** @param history  All stored reports, in any order; those of this machine make the trends. */
export function toReportView({ id, report }: StoredReport, history: readonly StoredReport[], baselineIndex = 0): ReportView {
  const table = withoutVerdicts(toTable(report));
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
    // What the view draws as a table stands in the notes as one for Markdown.
    notes: [...conclusionsOf(report), ...report.notes.filter((note) => !note.startsWith('| '))],
    ...(report.alignment === undefined || report.alignment.length === 0 ? {} : { alignmentCosts: report.alignment.map((cost) => ({ ...cost, bytesPerToken: formatBytes(cost.bytesPerToken) })) }),
  };
}

/** The view judges beside each case by itself, and for any baseline. */
function withoutVerdicts({ columns, rows }: ReportTable): ReportTable {
  const keeps = (_value: unknown, column: number): boolean => column !== 1;
  return { columns: columns.filter(keeps), rows: rows.map((row) => row.filter(keeps)) };
}

export function modelNames(report: BenchmarkReport): string {
  return [...new Set(report.cases.map((each) => each.model))].join(' and ') || 'no model';
}

/** Each case against one of them: the ratio of the median decode speeds, or the rules that forbid it. */
export function compareWithBaseline(report: BenchmarkReport, baselineIndex: number): readonly CaseAgainstBaseline[] {
  return verdictsOf(report, baselineIndex).map((verdict) => ({ ...verdict, text: verdictText(verdict) }));
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
    peakMemory: peakMemory(each).map(([device, bytes]) => ({ device, bytes })),
    cautions: remarksOf(each),
    rules: rulesOf(each),
  };
}

function rulesOf({ rules, samples, load, setup = [], energy }: BenchmarkCase): ReportCaseView['rules'] {
  return [
    { label: 'Prompt', value: `${rules.promptTokens} tokens, the same ids in every run (SHA-256 ${rules.promptHash.slice(0, 12)}…)` },
    { label: 'Answer', value: `exactly ${rules.newTokens} tokens; stop tokens are ignored` },
    { label: 'Sampling', value: `${rules.sampling}, seed ${rules.seed}` },
    { label: 'Runs', value: `${samples.length} of ${rules.repetitions} counted, after ${rules.warmupRuns} warm-up that ${rules.warmupRuns === 1 ? 'is' : 'are'} not` },
    { label: 'Requests at once', value: String(rules.concurrency) },
    ...(energy === undefined ? [] : [{ label: 'Energy', value: `${energy.averageWatts.toFixed(0)} W on average over ${energy.seconds.toFixed(1)} s, from ${energy.readings} readings` }]),
    ...(load === undefined ? [] : [{ label: 'Loaded with', value: describeLoadSettings(load) }]),
    ...setup.map((value) => ({ label: 'Set-up', value })),
    { label: 'Times', value: 'the median is quoted; tokenization is timed apart; no run takes keys and values from the run before it' },
  ];
}

function factsOf({ environment, cases, before, textTimes = [] }: BenchmarkReport): ReportView['facts'] {
  const { devices } = environment;
  return [
    { label: 'Processor', value: `${environment.cpu}, ${environment.logicalCores} threads, ${formatBytes(environment.memoryBytes)}` },
    ...devices.filter((device) => device.kind !== 'cpu').map((device) => ({ label: device.id, value: `${device.name}, ${formatBytes(device.totalBytes)}, driver ${device.driverVersion ?? 'n/a'}` })),
    { label: 'Model', value: [...new Set(cases.map((each) => basename(each.modelIdentity)))].join(', ') || 'n/a' },
    { label: 'Provider', value: [...new Set(cases.map((each) => each.provider))].join(', ') || 'n/a' },
    { label: 'Before', value: describeBeforeText(before) },
    ...copyLimits(cases).map(([device, rate]) => ({ label: 'Copy limit', value: `${device}: ${(rate / 1e9).toFixed(0)} GB/s, measured by copies within its memory` })),
    ...textTimes.map(({ tokens, tokenizeMs, renderChatMs }) => ({
      label: 'Text',
      value: `tokenizing ${tokens} tokens takes ${tokenizeMs.median.toFixed(2)} ms${renderChatMs === undefined ? '' : `, through the chat template ${renderChatMs.median.toFixed(2)} ms`}; in no other figure`,
    })),
    { label: 'Versions', value: `GLM Local ${environment.extensionVersion}${environment.commit === undefined ? '' : ` (${environment.commit})`}, ONNX Runtime ${environment.runtimeVersion ?? 'n/a'}, Node ${environment.nodeVersion}, ${environment.platform}` },
  ];
}

function copyLimits(cases: readonly BenchmarkCase[]): readonly (readonly [device: string, bytesPerSecond: number])[] {
  return [...new Map(cases.flatMap((each) => Object.entries(each.bandwidth?.copyBytesPerSecond ?? {})))];
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
