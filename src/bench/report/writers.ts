/** Text forms of a report. One list of fields feeds the Markdown table and the CSV, so that they can't drift apart. Pure. */

import { formatBytes } from '../../common/byteFormat';
import type { BenchmarkCase, BenchmarkReport, MetricName } from './schema';

interface Field {
  readonly title: string;
  /** CSV column; carries the unit. */
  readonly column: string;
  readonly value: (each: BenchmarkCase) => number | string | undefined;
  /** For people; `undefined` becomes n/a. Default: two decimals. */
  readonly format?: (value: number) => string;
}

const median = (metric: MetricName) => (each: BenchmarkCase): number | undefined => each.summaries[metric]?.median;

const fields: readonly Field[] = [
  { title: 'case', column: 'case', value: (each) => each.name },
  { title: 'weights', column: 'weights', value: (each) => each.weights },
  { title: 'devices', column: 'devices', value: (each) => each.devices.join('+') },
  { title: 'prompt → new', column: 'prompt_new_tokens', value: (each) => `${each.rules.promptTokens} → ${each.rules.newTokens}` },
  { title: 'requests', column: 'concurrency', value: (each) => each.rules.concurrency, format: (value) => String(value) },
  { title: 'runs', column: 'samples', value: (each) => each.samples.length, format: (value) => String(value) },
  { title: 'TTFT ms', column: 'ttft_ms_median', value: median('ttftMs') },
  { title: 'prefill tok/s', column: 'prefill_tokens_per_second_median', value: median('prefillTokensPerSecond') },
  { title: 'TPOT ms', column: 'tpot_ms_median', value: median('tpotMs') },
  { title: 'ITL p99 ms', column: 'itl_ms_p99', value: (each) => each.summaries.itlMs?.p99 },
  { title: 'decode tok/s', column: 'decode_tokens_per_second_median', value: median('decodeTokensPerSecond') },
  { title: '± sd', column: 'decode_tokens_per_second_sd', value: (each) => each.summaries.decodeTokensPerSecond?.standardDeviation },
  { title: 'J/token', column: 'joules_per_token_median', value: median('joulesPerToken') },
  { title: 'peak memory', column: 'peak_memory_bytes', value: peakMemoryBytes, format: formatBytes },
];

/** The table that every text form and the report view show: titles, and one row of texts per case. */
export interface ReportTable {
  readonly columns: readonly { readonly title: string; readonly isNumeric: boolean }[];
  readonly rows: readonly (readonly string[])[];
}

export function toTable(report: BenchmarkReport): ReportTable {
  const isNumeric = (field: Field): boolean => report.cases.every((each) => typeof field.value(each) !== 'string');
  return {
    columns: fields.map((field) => ({ title: field.title, isNumeric: isNumeric(field) })),
    rows: report.cases.map((each) => fields.map((field) => display(field, each))),
  };
}

/** A table, then per case its cautions, then the notes and the rules that all cases kept. */
export function toMarkdown(report: BenchmarkReport): string {
  const table = toTable(report);
  const lines = [
    `# Benchmark: ${report.scenario}`,
    '',
    `${report.startedAt} · ${report.environment.cpu}, ${report.environment.logicalCores} threads · ${report.environment.devices.map((device) => device.name).join(', ') || 'no GPU'} · GLM Local ${report.environment.extensionVersion}`,
    '',
    `| ${table.columns.map((column) => column.title).join(' | ')} |`,
    `|${table.columns.map((column) => (column.isNumeric ? '--:' : '---')).join('|')}|`,
    ...table.rows.map((row) => `| ${row.map((text) => text.replace(/\|/g, '\\|')).join(' | ')} |`),
    '',
  ];
  for (const each of report.cases) {
    const remarks = [...each.cautions, ...(each.endedBy === undefined ? [] : [`ended early: ${each.endedBy}`])];
    lines.push(...remarks.map((remark) => `- ${each.name}: ${remark}.`));
  }
  const rules = report.cases[0]?.rules;
  if (rules !== undefined) {
    lines.push(
      '',
      `Rules: the same prompt ids (SHA-256 ${rules.promptHash.slice(0, 12)}…), exactly ${rules.newTokens} new tokens with EOS ignored, ${rules.sampling} sampling, ${rules.warmupRuns} warm-up not counted; tokenization is not in the times; medians.`,
    );
  }
  lines.push(...report.notes.flatMap((note) => ['', note]), '');
  return lines.join('\n');
}

/** RFC 4180, one row per case. Readings that could not be had are empty. */
export function toCsv(report: BenchmarkReport): string {
  const quote = (value: number | string | undefined): string => {
    const text = value === undefined ? '' : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  };
  const rows = report.cases.map((each) => fields.map((field) => quote(field.value(each))).join(','));
  return `${[fields.map((field) => field.column).join(','), ...rows].join('\r\n')}\r\n`;
}

function display(field: Field, each: BenchmarkCase): string {
  const value = field.value(each);
  if (value === undefined || (typeof value === 'number' && !Number.isFinite(value))) {
    return 'n/a';
  }
  return typeof value === 'string' ? value : (field.format ?? ((number) => number.toFixed(2)))(value);
}

function peakMemoryBytes(each: BenchmarkCase): number | undefined {
  const totals = each.samples.map((sample) => Object.values(sample.peakMemoryBytes).reduce((sum, bytes) => sum + bytes, 0));
  return totals.length === 0 || Math.max(...totals) === 0 ? undefined : Math.max(...totals);
}
