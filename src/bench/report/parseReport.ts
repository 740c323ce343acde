/** Reads a saved report. The file may come from anywhere: what is wrong is named, and nothing of it gets further. Pure. */

import { describeJsonError, describeOtherSchema, hasFields, isAmount, isBoolean, isCount, isNumber, isNumberList, isOneOf, isText, listOf, mapOf, optional, type Check } from '../../common/checkShape';
import { GlmError } from '../../common/errors';
import { reportSchema, type BenchmarkReport } from './schema';

/**
 * A report that can't be read.
 *
 * Cause: not JSON, another schema or version, or fields of the wrong type. Handled by: the CLI and the report view, which show it.
 */
export class ReportFormatError extends GlmError {
  constructor(source: string, reason: string, cause?: unknown) {
    super('bench-report-format', `${source} is not a benchmark report of the schema ${reportSchema}: ${reason}. Write one with "glm bench --out", or save one from a report in the editor.`, { fields: { source, reason }, cause });
  }
}

/** A report with thousands of runs of thousands of tokens is some tens of megabytes. */
export const mostReportBytes = 128 * 1024 * 1024;

/**
 * @param source  What to call it in an error.
 * @throws {ReportFormatError} naming the first thing that is wrong.
 */
export function parseReport(source: string, text: string): BenchmarkReport {
  if (text.length > mostReportBytes) {
    throw tooLarge(source, text.length);
  }
  let value: unknown;
  try {
    // What Windows wrote begins with a byte order mark.
    value = JSON.parse(text.replace(/^\ufeff/, ''));
  } catch (error) {
    throw new ReportFormatError(source, describeJsonError(text, error), error);
  }
  const problem = describeOtherSchema(value, reportSchema) ?? isReport(value, '');
  if (problem !== undefined) {
    throw new ReportFormatError(source, problem);
  }
  return value as BenchmarkReport;
}

/** For readers that know a file's size before they read it. */
export function tooLarge(source: string, bytes: number): ReportFormatError {
  return new ReportFormatError(source, `it has ${Math.round(bytes / 1024 ** 2)} MiB, more than any report needs`);
}

/** Infinite where the median is 0, and JSON knows no such number. */
const isSpread: Check = (value, path) => (value === null ? undefined : isAmount(value, path));

const isSummary = hasFields({
  ...Object.fromEntries(['median', 'mean', 'min', 'max', 'p50', 'p90', 'p99'].map((name) => [name, isNumber])),
  count: isCount,
  standardDeviation: isAmount,
  relativeSpread: isSpread,
  isUnreliable: isBoolean,
});

const isTrue: Check = (value, path) => (value === true ? undefined : `${path} is not true: a run that ends by itself is no fair one`);

const isRules = hasFields({
  promptTokens: isCount,
  newTokens: isCount,
  promptHash: isText,
  eosIgnored: isTrue,
  sampling: isText,
  seed: isNumber,
  warmupRuns: isCount,
  repetitions: isCount,
  batch: isCount,
  concurrency: isCount,
  promptForm: optional(isOneOf('ids', 'text')),
});

const isSample = hasFields({
  ...Object.fromEntries(['ttftMs', 'tpotMs', 'totalMs', 'tokenizeMs', 'prefillTokensPerSecond', 'decodeTokensPerSecond'].map((name) => [name, isAmount])),
  itlMs: isNumberList,
  generatedTokens: isCount,
  peakMemoryBytes: mapOf(isAmount),
});

const isTexts = listOf(isText, 10_000);

const isCase = hasFields(
  {
    ...Object.fromEntries(['name', 'model', 'modelIdentity', 'engine', 'provider', 'weights'].map((name) => [name, isText])),
    devices: isTexts,
    rules: isRules,
    samples: listOf(isSample, 100_000),
    summaries: hasFields(Object.fromEntries(['ttftMs', 'tpotMs', 'itlMs', 'prefillTokensPerSecond', 'decodeTokensPerSecond', 'totalMs'].map((name) => [name, optional(isSummary)]))),
    cautions: isTexts,
    brokenRules: optional(listOf(hasFields({ rule: isText, explanation: isText }), 1000)),
    bandwidth: optional(hasFields({ copyBytesPerSecond: mapOf(isAmount), readBytesPerToken: isAmount, limitTpotMs: isAmount, fractionOfLimit: isAmount })),
    energy: optional(hasFields({ joulesPerToken: isAmount, averageWatts: isAmount, seconds: isAmount, readings: isCount })),
    quality: optional(
      hasFields({ text: isOneOf('answers', 'prose'), perplexity: isAmount, scoredTokens: isCount, textHash: isText, tokenAgreement: optional(isAmount), perplexityRatio: optional(isAmount) }),
    ),
    load: optional(hasFields({ contextTokens: isCount, maxBatch: isCount, kvCache: isText, stages: isTexts, threads: optional(isCount), accuracyLevel: optional(isCount) })),
    shape: optional(
      hasFields({ architecture: isText, ...Object.fromEntries(['numLayers', 'hiddenSize', 'intermediateSize', 'numHeads', 'numKvHeads', 'headDim', 'vocabSize', 'parameterCount'].map((name) => [name, isCount])) }),
    ),
    setup: optional(isTexts),
    endedBy: optional(isText),
  },
  ({ samples }, path) => ((samples as readonly unknown[]).length === 0 ? `${path} has no samples` : undefined),
);

const isDevice = hasFields({
  id: isText,
  kind: isOneOf('cpu', 'cuda', 'webgpu', 'amd', 'intel'),
  name: isText,
  source: isText,
  notes: isTexts,
  totalBytes: optional(isAmount),
  freeBytes: optional(isAmount),
  driverVersion: optional(isText),
  pciBusId: optional(isText),
  uuid: optional(isText),
});

const isEnvironment = hasFields({
  ...Object.fromEntries(['extensionVersion', 'nodeVersion', 'platform', 'cpu'].map((name) => [name, isText])),
  logicalCores: isCount,
  memoryBytes: isAmount,
  devices: listOf(isDevice, 1000),
  commit: optional(isText),
  runtimeVersion: optional(isText),
});

const isCost = hasFields({
  kind: isText,
  label: isText,
  tensor: optional(isText),
  bytesPerToken: optional(isAmount),
  alignedTokensPerSecond: isAmount,
  misalignedTokensPerSecond: isAmount,
  costMsPerToken: isNumber,
  isSignificant: isBoolean,
  simulated: optional(isBoolean),
});

const isTime: Check = (value, path) => isText(value, path) ?? (Number.isNaN(Date.parse(value as string)) ? `${path} is no time` : undefined);

const isReport = hasFields({
  scenario: isText,
  startedAt: isTime,
  elapsedMs: isAmount,
  environment: isEnvironment,
  cases: listOf(isCase, 10_000),
  before: optional(isTexts),
  textTimes: optional(listOf(hasFields({ label: isText, tokens: isCount, tokenizeMs: isSummary, renderChatMs: optional(isSummary) }), 1000)),
  alignment: optional(listOf(isCost, 1000)),
  notes: isTexts,
});
