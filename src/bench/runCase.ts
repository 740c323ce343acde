/**
 * Measures one configuration by the rules of a fair comparison. Times come from the engine's own results, over the path that users get;
 * this file decides what is run, what is counted and what is refused.
 */

import { cpus } from 'node:os';
import { CancelledError, isGlmError } from '../common/errors';
import type { GenerateParams, GenerateResult } from '../common/protocol/engine';
import type { TelemetrySample } from '../common/protocol/monitor';
import { greedySampling } from '../common/sampling';
import { spreadCautions, summarizeSamples, timesSample, UnfairRunError } from './runSamples';
import { averagePower, surroundingsCautions } from './surroundings';
import { hashPromptIds } from './prompt';
import type { BenchmarkCase, BenchmarkRules, RunSample } from './report/schema';

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
  /** See {@link BenchmarkCase.setup}. */
  readonly setup?: readonly string[];
}

export interface CaseHooks {
  readonly signal?: AbortSignal;
  readonly telemetry?: TelemetrySource;
  readonly onRun?: (done: number, total: number) => void;
}

/**
 * Runs warm-ups, then `repetitions` counted runs. A cancel or an error ends the case and keeps the samples so far, with `endedBy` set.
 *
 * @throws {GlmError} only when not a single run could be counted.
 */
export async function measureCase(target: BenchmarkTarget, spec: CaseSpec, hooks: CaseHooks = {}): Promise<BenchmarkCase> {
  const samples: RunSample[] = [];
  const startedMs = hooks.telemetry?.now() ?? 0;
  let countedFromMs = startedMs;
  let endedBy: string | undefined;
  const total = spec.warmupRuns + spec.repetitions;
  try {
    for (let run = 0; run < total; run += 1) {
      if (run === spec.warmupRuns) {
        countedFromMs = hooks.telemetry?.now() ?? 0;
      }
      const results = await runOnce(target, spec, run, hooks.signal);
      if (run >= spec.warmupRuns) {
        samples.push(...results.map(toSample));
      }
      hooks.onRun?.(run + 1, total);
    }
  } catch (error) {
    if (samples.length === 0) {
      throw error;
    }
    endedBy = isGlmError(error) && error.code === 'cancelled' ? 'cancelled' : error instanceof Error ? error.message : String(error);
  }
  const countedMs = (hooks.telemetry?.now() ?? 0) - countedFromMs;
  const power = hooks.telemetry === undefined ? undefined : averagePower(hooks.telemetry.since(countedFromMs), spec.devices);
  const summaries = summarizeSamples(samples);
  const cautions =
    hooks.telemetry === undefined ? ['no telemetry was at hand: other load and throttling were not watched'] : surroundingsCautions(hooks.telemetry.since(startedMs), spec.ownPids, cpus().length);
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
cautions: [...cautions, ...spreadCautions(summaries)],
    ...(power === undefined ? {} : { energy: { ...power, seconds: countedMs / 1000, joulesPerToken: (power.averageWatts * countedMs) / 1000 / (spec.newTokens * samples.length) } }),
    ...(spec.setup === undefined || spec.setup.length === 0 ? {} : { setup: spec.setup }),
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

function toSample(result: GenerateResult): RunSample {
  const { ttftMs, tpotMs, prefillTokensPerSecond, decodeTokensPerSecond, tokenTimesMs = [], totalMs, tokenizeMs, ids, peakMemoryBytes } = result;
  for (const [name, value] of Object.entries({ ttftMs, tpotMs, prefillTokensPerSecond, decodeTokensPerSecond })) {
    if (value === undefined) {
      throw new UnfairRunError(`the engine reported no ${name}; ask for at least two new tokens`);
    }
  }
  return {
    ...timesSample({ ttftMs: ttftMs ?? NaN, tpotMs: tpotMs ?? NaN, tokenTimesMs, totalMs, generatedTokens: ids.length }),
    tokenizeMs,
    prefillTokensPerSecond: prefillTokensPerSecond ?? NaN,
    decodeTokensPerSecond: decodeTokensPerSecond ?? NaN,
    peakMemoryBytes,
  };
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
