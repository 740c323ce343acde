/**
 * Measures one configuration by the rules of a fair comparison. Times come from the engine's own results, over the path that users get;
 * this file decides what is run, what is counted and what is refused.
 */

import { CancelledError, GlmError, isGlmError } from '../common/errors';
import type { GenerateParams, GenerateResult } from '../common/protocol/engine';
import type { TelemetrySample } from '../common/protocol/monitor';
import { greedySampling } from '../common/sampling';
import { energyJoules, surroundingsCautions } from './surroundings';
import { hashPromptIds } from './prompt';
import { summarize, type Summary } from './statistics';
import type { BenchmarkCase, BenchmarkRules, MetricName, RunSample } from './report/schema';

/** What is measured: a loaded model behind an engine client, or a fake in tests. */
export interface BenchmarkTarget {
  generate(params: GenerateParams, signal?: AbortSignal): Promise<GenerateResult>;
  /** Drops cached keys and values, so that no run profits from the one before. */
  forget(conversationKey: string): Promise<void>;
}

/** Readings taken while runs go on; absent where no monitor is at hand. */
export interface TelemetrySource {
  /** Samples from `fromMs` on (Unix epoch). */
  since(fromMs: number): readonly TelemetrySample[];
  now(): number;
}

export interface CaseSpec {
  readonly name: string;
  readonly model: string;
  readonly modelIdentity: string;
  readonly provider: string;
  readonly weights: string;
  readonly devices: readonly string[];
  readonly promptIds: readonly number[];
  readonly newTokens: number;
  readonly warmupRuns: number;
  readonly repetitions: number;
  /** Requests submitted together in each run; 1 measures a single user. */
  readonly concurrency: number;
  readonly ownPids: readonly number[];
}

export interface CaseHooks {
  readonly signal?: AbortSignal;
  readonly telemetry?: TelemetrySource;
  readonly onRun?: (done: number, total: number) => void;
}

/**
 * A run that broke the rules and therefore is not a measurement.
 *
 * Cause: the engine stopped early, or answered from its cache. Handled by: {@link measureCase}, which ends the case with what was measured.
 */
export class UnfairRunError extends GlmError {
  constructor(reason: string) {
    super('bench-unfair-run', `A run can't be counted: ${reason}. Report this with "GLM: Diagnose"; the earlier samples are kept.`);
  }
}

/**
 * Runs warm-ups, then `repetitions` counted runs. A cancel or an error ends the case and keeps the samples so far, with `endedBy` set.
 *
 * @throws {GlmError} only when not a single run could be counted.
 */
export async function measureCase(target: BenchmarkTarget, spec: CaseSpec, hooks: CaseHooks = {}): Promise<BenchmarkCase> {
  const samples: RunSample[] = [];
  const startedMs = hooks.telemetry?.now() ?? 0;
  let endedBy: string | undefined;
  const total = spec.warmupRuns + spec.repetitions;
  try {
    for (let run = 0; run < total; run += 1) {
      const fromMs = hooks.telemetry?.now() ?? 0;
      const results = await runOnce(target, spec, run, hooks.signal);
      if (run >= spec.warmupRuns) {
        const joules = hooks.telemetry === undefined ? undefined : energyJoules(hooks.telemetry.since(fromMs));
        samples.push(...results.map((result) => toSample(result, joules === undefined ? undefined : joules / (spec.newTokens * spec.concurrency))));
      }
      hooks.onRun?.(run + 1, total);
    }
  } catch (error) {
    if (samples.length === 0) {
      throw error;
    }
    endedBy = isGlmError(error) && error.code === 'cancelled' ? 'cancelled' : error instanceof Error ? error.message : String(error);
  }
  const summaries = summarizeSamples(samples);
  const cautions = hooks.telemetry === undefined ? ['no telemetry was at hand: other load and throttling were not watched'] : surroundingsCautions(hooks.telemetry.since(startedMs), spec.ownPids);
  const unreliable = Object.entries(summaries).filter(([metric, summary]) => metric !== 'itlMs' && summary?.isUnreliable);
  return {
    name: spec.name,
    model: spec.model,
    modelIdentity: spec.modelIdentity,
    engine: 'glm-local',
    provider: spec.provider,
    weights: spec.weights,
    devices: spec.devices,
    rules: rulesOf(spec),
    samples,
    summaries,
    cautions: [...cautions, ...unreliable.map(([metric, summary]) => `${metric} is unreliable: ${summary?.count} samples, interquartile range ${((summary?.relativeSpread ?? 0) * 100).toFixed(0)} % of the median`)],
    ...(endedBy === undefined ? {} : { endedBy }),
  };
}

async function runOnce(target: BenchmarkTarget, spec: CaseSpec, run: number, signal: AbortSignal | undefined): Promise<readonly GenerateResult[]> {
  const keys = Array.from({ length: spec.concurrency }, (_, row) => `bench-${run}-${row}`);
  const results = await Promise.all(
    keys.map((key) =>
      target.generate(
        {
          generationId: key,
          conversationKey: key,
          prompt: { kind: 'ids', ids: spec.promptIds },
          options: { ...greedySampling, maxNewTokens: spec.newTokens, minNewTokens: spec.newTokens, stopStrings: [], ignoreEos: true },
        },
        signal,
      ),
    ),
  );
  await Promise.all(keys.map((key) => target.forget(key)));
  for (const result of results) {
    if (result.stopReason === 'cancelled') {
      throw new CancelledError('The benchmark');
    }
    if (result.ids.length !== spec.newTokens) {
      throw new UnfairRunError(`it generated ${result.ids.length} instead of ${spec.newTokens} tokens (${result.stopReason})`);
    }
    if (result.reusedTokens > 0 && spec.concurrency === 1) {
      throw new UnfairRunError(`${result.reusedTokens} prompt tokens came from the cache`);
    }
  }
  return results;
}

function toSample(result: GenerateResult, joulesPerToken: number | undefined): RunSample {
  const times = result.tokenTimesMs ?? [];
  return {
    ttftMs: required(result.ttftMs, 'ttftMs'),
    tpotMs: required(result.tpotMs, 'tpotMs'),
    itlMs: times.slice(1).map((time, index) => time - (times[index] ?? time)),
    totalMs: result.totalMs,
    tokenizeMs: result.tokenizeMs,
    generatedTokens: result.ids.length,
    prefillTokensPerSecond: required(result.prefillTokensPerSecond, 'prefillTokensPerSecond'),
    decodeTokensPerSecond: required(result.decodeTokensPerSecond, 'decodeTokensPerSecond'),
    peakMemoryBytes: result.peakMemoryBytes,
    ...(joulesPerToken === undefined ? {} : { joulesPerToken }),
  };
}

function required(value: number | undefined, name: string): number {
  if (value === undefined) {
    throw new UnfairRunError(`the engine reported no ${name}; ask for at least two new tokens`);
  }
  return value;
}

function summarizeSamples(samples: readonly RunSample[]): Partial<Record<MetricName, Summary>> {
  const series = (values: readonly number[]): Summary | undefined => (values.length === 0 ? undefined : summarize(values));
  const joules = samples.flatMap((sample) => (sample.joulesPerToken === undefined ? [] : [sample.joulesPerToken]));
  const summaries: Partial<Record<MetricName, Summary | undefined>> = {
    ttftMs: series(samples.map((sample) => sample.ttftMs)),
    tpotMs: series(samples.map((sample) => sample.tpotMs)),
    itlMs: series(samples.flatMap((sample) => sample.itlMs)),
    prefillTokensPerSecond: series(samples.map((sample) => sample.prefillTokensPerSecond)),
    decodeTokensPerSecond: series(samples.map((sample) => sample.decodeTokensPerSecond)),
    totalMs: series(samples.map((sample) => sample.totalMs)),
    joulesPerToken: series(joules),
  };
  return Object.fromEntries(Object.entries(summaries).filter(([, summary]) => summary !== undefined));
}

function rulesOf(spec: CaseSpec): BenchmarkRules {
  return {
    promptTokens: spec.promptIds.length,
    newTokens: spec.newTokens,
    promptHash: hashPromptIds(spec.promptIds),
    eosIgnored: true,
    sampling: 'greedy',
    seed: 0,
    warmupRuns: spec.warmupRuns,
    repetitions: spec.repetitions * spec.concurrency,
    batch: 1,
    concurrency: spec.concurrency,
  };
}
