/** Text forms of a report. One list of fields feeds the Markdown table, the view's table and the CSV, so that they can't drift apart. Pure. */

import { cacheFraction, shareOfCopyText } from '../../common/bandwidthText';
import { formatBytes } from '../../common/byteFormat';
import { readableLabel } from '../loadLabel';
import { describeLoadSettings } from '../loadSettings';
import { verdictsOf, verdictText } from '../verdict';
import { conclusionsOf } from './conclusions';
import type { BenchmarkCase, BenchmarkReport, BenchmarkRules, MetricName } from './schema';
import { togetherTokensPerSecond } from './togetherSpeed';

type Value = number | string | undefined;

interface Field {
  readonly title: string;
  /** CSV column; carries the unit. */
  readonly column: string;
  readonly value: (each: BenchmarkCase) => Value;
  /** For people; `undefined` becomes n/a. Default: two decimals. */
  readonly format?: (value: number) => string;
  /** Left out of tables in which no case has it. The CSV always has all columns. */
  readonly isOptional?: boolean;
  /** Left out of tables of reports that need it not. The CSV always has all columns. */
  readonly isNeeded?: (report: BenchmarkReport) => boolean;
  /** In the CSV only. */
  readonly isRaw?: boolean;
}

const median = (metric: MetricName) => (each: BenchmarkCase): number | undefined => each.summaries[metric]?.median;

/** The figures first, what was measured after them: in a narrow view the end of the row has to be scrolled to. */
const fields: readonly Field[] = [
  { title: 'decode tok/s', column: 'decode_tokens_per_second_median', value: median('decodeTokensPerSecond') },
  { title: '', column: 'decode_tokens_per_second_mean', value: (each) => each.summaries.decodeTokensPerSecond?.mean, isRaw: true },
  { title: '± sd', column: 'decode_tokens_per_second_sd', value: (each) => each.summaries.decodeTokensPerSecond?.standardDeviation },
  { title: 'all requests tok/s', column: 'all_requests_tokens_per_second', value: togetherTokensPerSecond, isNeeded: ({ cases }) => cases.some((each) => each.rules.concurrency > 1) },
  { title: 'TTFT ms', column: 'ttft_ms_median', value: median('ttftMs') },
  { title: 'prefill tok/s', column: 'prefill_tokens_per_second_median', value: median('prefillTokensPerSecond') },
  { title: 'TPOT ms', column: 'tpot_ms_median', value: median('tpotMs') },
  { title: 'ITL p50 ms', column: 'itl_ms_p50', value: (each) => each.summaries.itlMs?.p50 },
  { title: 'p90', column: 'itl_ms_p90', value: (each) => each.summaries.itlMs?.p90 },
  { title: 'p99', column: 'itl_ms_p99', value: (each) => each.summaries.itlMs?.p99 },
  { title: 'of copy limit', column: 'fraction_of_copy_bandwidth', value: (each) => each.bandwidth?.fractionOfLimit, format: shareOfCopyText },
  { title: 'J/token', column: 'joules_per_token', value: (each) => each.energy?.joulesPerToken },
  { title: 'peak memory', column: 'peak_memory_by_device', value: (each) => peakMemory(each).map(([device, bytes]) => `${device} ${formatBytes(bytes)}`).join(', ') || undefined },
  { title: '', column: 'peak_memory_bytes', value: (each) => peakMemory(each).reduce<number | undefined>((sum, [, bytes]) => (sum ?? 0) + bytes, undefined), isRaw: true },
  { title: 'perplexity', column: 'perplexity', value: (each) => each.quality?.perplexity, format: (value) => value.toPrecision(4), isOptional: true },
  { title: 'against first', column: 'perplexity_ratio', value: (each) => each.quality?.perplexityRatio, format: (value) => `${value < 1 ? '' : '+'}${((value - 1) * 100).toFixed(2)} %`, isOptional: true },
  { title: 'same tokens', column: 'token_agreement', value: (each) => each.quality?.tokenAgreement, format: (value) => `${(value * 100).toFixed(1)} %`, isOptional: true },
  { title: 'engine', column: 'engine', value: (each) => each.engine },
  { title: 'weights', column: 'weights', value: (each) => each.weights },
  { title: 'devices', column: 'devices', value: (each) => [...new Set(each.devices)].join('+') },
  { title: 'prompt → new', column: 'prompt_new_tokens', value: (each) => `${each.rules.promptTokens} → ${each.rules.newTokens}` },
  { title: 'requests', column: 'concurrency', value: (each) => each.rules.concurrency, format: (value) => String(value) },
  { title: 'runs', column: 'samples', value: (each) => each.samples.length, format: (value) => String(value) },
];

/** The table that Markdown and the report view show: titles, and one row of texts per case. The first two columns name the case and judge it. */
export interface ReportTable {
  readonly columns: readonly { readonly title: string; readonly isNumeric: boolean }[];
  readonly rows: readonly (readonly string[])[];
}

/** @param baselineIndex  The case that the verdicts hold the others against. */
export function toTable(report: BenchmarkReport, baselineIndex = 0): ReportTable {
  const verdicts = verdictsOf(report, baselineIndex).map(verdictText);
  const shown = fields.filter((field) => field.isRaw !== true && (field.isNeeded?.(report) ?? true) && (field.isOptional !== true || report.cases.some((each) => field.value(each) !== undefined)));
  const isNumeric = (field: Field): boolean => report.cases.every((each) => typeof field.value(each) !== 'string');
  return {
    columns: [{ title: 'case', isNumeric: false }, { title: 'decode speed', isNumeric: false }, ...shown.map((field) => ({ title: field.title, isNumeric: isNumeric(field) }))],
    rows: report.cases.map((each, index) => [each.name, verdicts[index] ?? '', ...shown.map((field) => display(field, each))]),
  };
}

/** A table, then per case what weakens it, then the notes, the rules and what the machine did before. */
export function toMarkdown(report: BenchmarkReport): string {
  const table = toTable(report);
  const { environment } = report;
  const lines = [
    `# Benchmark: ${report.scenario}`,
    '',
    `${report.startedAt} · ${environment.cpu}, ${environment.logicalCores} threads · ${environment.devices.filter((device) => device.kind !== 'cpu').map((device) => device.name).join(', ') || 'no GPU'} · GLM Local ${environment.extensionVersion}${environment.commit === undefined ? '' : ` (${environment.commit})`}`,
    '',
    `| ${table.columns.map((column) => column.title).join(' | ')} |`,
    `|${table.columns.map((column) => (column.isNumeric ? '--:' : '---')).join('|')}|`,
    ...table.rows.map((row) => `| ${row.map((text) => text.replace(/\|/g, '\\|')).join(' | ')} |`),
    '',
  ];
  const remarks = report.cases.flatMap((each) => remarksOf(each).map((remark) => `- ${each.name}: ${remark}.`));
  lines.push(...remarks, ...(remarks.length === 0 ? [] : ['']));
  lines.push(`Before: ${describeBeforeText(report.before)}`, ...describeTextTimes(report), ...describeLimits(report), '', ...describeRules(report));
  lines.push(...[...conclusionsOf(report), ...report.notes].flatMap((note) => ['', note]), '');
  return lines.join('\n');
}

/** RFC 4180, one row per case. Readings that could not be had are empty. */
export function toCsv(report: BenchmarkReport): string {
  const quote = (value: Value): string => {
    const text = value === undefined ? '' : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  };
  const verdicts = verdictsOf(report).map(verdictText);
  const rows = report.cases.map((each, index) => [each.name, verdicts[index], ...fields.map((field) => field.value(each))].map(quote).join(','));
  return `${['case', 'against_first', ...fields.map((field) => field.column)].join(',')}\r\n${rows.join('\r\n')}\r\n`;
}

/** The report as a file: times to a tenth of a microsecond, so that raw samples stay small, and lists of numbers on one line. */
export function toJson(report: BenchmarkReport | readonly BenchmarkReport[]): string {
  const rounded = (_key: string, value: unknown): unknown => (typeof value === 'number' && !Number.isInteger(value) ? Number(Math.abs(value) < 1 ? value.toPrecision(6) : value.toFixed(4)) : value);
  return `${JSON.stringify(report, rounded, 1).replace(/\[\n\s*([-\d.e+,\s]+?)\n\s*\]/g, (_match, numbers: string) => `[${numbers.replace(/\s+/g, '')}]`)}\n`;
}

/** What weakens a case's figures or forbids comparing them, for people. */
export function remarksOf(each: BenchmarkCase): readonly string[] {
  return [
    ...(each.brokenRules ?? []).map(({ rule, explanation }) => `not comparable (${rule}): ${explanation}`),
    ...each.cautions,
    ...(each.endedBy === undefined ? [] : [`ended early: ${each.endedBy}; ${each.samples.length === 1 ? 'the run' : `the ${each.samples.length} runs`} until then ${each.samples.length === 1 ? 'is' : 'are'} kept`]),
  ];
}

/** The most a run used on each device. */
export function peakMemory({ samples }: Pick<BenchmarkCase, 'samples'>): readonly (readonly [device: string, bytes: number])[] {
  const peaks = new Map<string, number>();
  for (const [device, bytes] of samples.flatMap((sample) => Object.entries(sample.peakMemoryBytes))) {
    peaks.set(device, Math.max(bytes, peaks.get(device) ?? 0));
  }
  return [...peaks].filter(([, bytes]) => bytes > 0);
}

export function describeBeforeText(before: BenchmarkReport['before']): string {
  return before === undefined ? 'nobody looked at what else used the machine.' : before.length === 0 ? 'nothing else used the devices.' : `${before.join('; ')}.`;
}

function describeTextTimes({ textTimes = [] }: BenchmarkReport): readonly string[] {
  return textTimes.map(
    ({ label, tokens, tokenizeMs, renderChatMs }) =>
      `Apart from all times above, ${readableLabel(label)}: tokenizing ${tokens} tokens takes ${tokenizeMs.median.toFixed(2)} ms${renderChatMs === undefined ? '' : `, the same through the chat template ${renderChatMs.median.toFixed(2)} ms`} (medians of ${tokenizeMs.count}, process border included).`,
  );
}

function describeLimits({ cases }: BenchmarkReport): readonly string[] {
  const limits = new Map(cases.flatMap((each) => Object.entries(each.bandwidth?.copyBytesPerSecond ?? {})));
  const list = [...limits].map(([device, rate]) => `${device} ${(rate / 1e9).toFixed(0)} GB/s`);
  const isCached = cases.some(({ bandwidth }) => bandwidth !== undefined && bandwidth.fractionOfLimit > cacheFraction);
  const cached = isCached ? ' Where the table says "cached", decoding read faster than that: a cache of the processor holds the weights, and memory is not the limit.' : '';
  return list.length === 0 ? [] : [`Copy limit, measured by copies within the device's memory: ${list.join(', ')}. A token reads every weight and the cache once.${cached}`];
}

/** The part that all cases share in one sentence, then one line for each prompt and length. */
function describeRules({ cases }: BenchmarkReport): readonly string[] {
  const [first] = cases;
  if (first === undefined) {
    return [];
  }
  const line = ({ promptTokens, newTokens, promptHash, promptForm, sampling, seed, repetitions, warmupRuns, concurrency }: BenchmarkRules): string =>
    `${promptTokens} prompt tokens${promptForm === 'text' ? ' sent as text' : ''} (SHA-256 ${promptHash.slice(0, 12)}…) → exactly ${newTokens} new, EOS ignored; ${sampling}, seed ${seed}; ${concurrency} at once; ${repetitions} counted after ${warmupRuns} warm-up`;
  const groups = new Map<string, string[]>();
  for (const each of cases) {
    const key = line(each.rules);
    groups.set(key, [...(groups.get(key) ?? []), each.name]);
  }
  return [
    'Rules, enforced: the same prompt ids in every run of a case, no keys and values from an earlier run, tokenization in no time above, medians quoted.',
    '',
    ...[...groups].map(([rules, names]) => `- ${groups.size === 1 ? 'all cases' : names.join('; ')}: ${rules}.`),
    ...describeLoads(cases),
    ...cases.flatMap((each) => (each.setup ?? []).map((setup) => `- ${each.name}: ${setup}.`)),
  ];
}

/** Cases that were loaded alike in one line. */
function describeLoads(cases: readonly BenchmarkCase[]): readonly string[] {
  const groups = new Map<string, string[]>();
  for (const { name, load } of cases) {
    if (load !== undefined) {
      const key = describeLoadSettings(load);
      groups.set(key, [...(groups.get(key) ?? []), name]);
    }
  }
  return [...groups].map(([settings, names]) => `- ${names.length === cases.length ? 'all cases' : names.join('; ')}: ${settings}.`);
}

function display(field: Field, each: BenchmarkCase): string {
  const value = field.value(each);
  if (value === undefined || (typeof value === 'number' && !Number.isFinite(value))) {
    return 'n/a';
  }
  return typeof value === 'string' ? value : (field.format ?? ((number) => number.toFixed(2)))(value);
}
