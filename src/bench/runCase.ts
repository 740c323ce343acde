/**
 * Measures one configuration by the rules of a fair comparison. Times come from the engine's own results, over the path that users get;
 * this file decides what is run, what is counted and what is refused.
 */

import { cpus } from 'node:os';
import { CancelledError, isGlmError } from '../common/errors';
import type { GenerateParams, GenerateResult } from '../common/protocol/engine';
import type { TelemetrySample } from '../common/protocol/monitor';
import { greedySampling } from '../common/sampling';
import { pauseCautions, spreadCautions, summarizeSamples, timesSample, UnfairRunError } from './runSamples';
import { averagePower, surroundingsCautions } from './surroundings';
import { hashPromptIds } from './prompt';
import type { BenchmarkCase, BenchmarkRules, LoadSettings, ModelShape, RunSample } from './report/schema';

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
  /** See {@link ScenarioSettings}. */
  readonly warmupMs?: number;
  readonly countedMs?: number;
  /** Requests submitted together in each run; 1 measures a single user. */
  readonly concurrency: number;
  readonly ownPids: readonly number[];
  /** Prefill tok/s is the prompt over TTFT, as of engines that tell no more; otherwise over the time of its own prefill steps. */
  readonly prefillFromTtft?: boolean;
  /** See {@link BenchmarkCase.load}. */
  readonly load?: LoadSettings;
  readonly shape?: ModelShape;
  /** See {@link BenchmarkCase.setup}. */
  readonly setup?: readonly string[];
}

export interface CaseHooks {
  readonly signal?: AbortSignal;
  readonly telemetry?: TelemetrySource;
  /** The total can grow while warming up tells how long a run takes. */
  readonly onRun?: (done: number, total: number) => void;
  /** For tests; the process's own clock when absent. */
  readonly nowMs?: () => number;
}

/** However short runs are: more tell no more. */
const mostWarmupRuns = 20;
const mostCountedRuns = 40;

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
  let planned: RunCounts = spec;
  try {
    planned = await warmUp(target, spec, hooks);
    const total = planned.warmupRuns + planned.repetitions;
    countedFromMs = hooks.telemetry?.now() ?? 0;
    for (let run = planned.warmupRuns; run < total; run += 1) {
      const results = await runOnce(target, spec, run, hooks.signal);
      samples.push(...results.map((result) => toSample(result, spec)));
      hooks.onRun?.(run + 1, total);
    }
  } catch (error) {
    if (samples.length === 0) {
      throw error;
    }
    endedBy = hooks.signal?.aborted || (isGlmError(error) && error.code === 'cancelled') ? 'cancelled' : error instanceof Error ? error.message : String(error);
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
    rules: rulesOf({ ...spec, ...planned }),
    samples,
    summaries,
    cautions: [...cautions, ...pauseCautions(samples), ...spreadCautions(summaries)],
    ...(power === undefined ? {} : { energy: { ...power, seconds: countedMs / 1000, joulesPerToken: (power.averageWatts * countedMs) / 1000 / (spec.newTokens * samples.length) } }),
    ...(spec.load === undefined ? {} : { load: spec.load }),
    ...(spec.shape === undefined ? {} : { shape: spec.shape }),
    ...(spec.setup === undefined || spec.setup.length === 0 ? {} : { setup: spec.setup }),
    ...(endedBy === undefined ? {} : { endedBy }),
  };
}

type RunCounts = Pick<CaseSpec, 'warmupRuns' | 'repetitions'>;

/** Runs that are not counted, until there were enough and they took long enough. @returns how many there were, and how many are to be counted. */
async function warmUp(target: BenchmarkTarget, spec: CaseSpec, { signal, onRun, nowMs = () => performance.now() }: CaseHooks): Promise<RunCounts> {
  const { warmupMs = 0, countedMs = 0 } = spec;
  const startedMs = nowMs();
  let runs = 0;
  let lastMs = Infinity;
  while (runs < spec.warmupRuns || (runs > 0 && runs < mostWarmupRuns && nowMs() - startedMs < warmupMs)) {
    const beganMs = nowMs();
    await runOnce(target, spec, runs, signal);
    lastMs = nowMs() - beganMs;
    runs += 1;
    onRun?.(runs, Math.max(runs, spec.warmupRuns) + spec.repetitions);
  }
  return { warmupRuns: runs, repetitions: Math.max(spec.repetitions, Math.min(mostCountedRuns, Math.round(countedMs / Math.max(lastMs, 1)))) };
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

function toSample(result: GenerateResult, { promptIds, prefillFromTtft = false }: CaseSpec): RunSample {
  const { ttftMs, tpotMs, prefillTokensPerSecond, decodeTokensPerSecond, tokenTimesMs = [], totalMs, tokenizeMs, ids, peakMemoryBytes } = result;
  for (const [name, value] of Object.entries({ ttftMs, tpotMs, prefillTokensPerSecond, decodeTokensPerSecond })) {
    if (value === undefined) {
      throw new UnfairRunError(`the engine reported no ${name}; ask for at least two new tokens`);
    }
  }
  return {
    ...timesSample({ ttftMs: ttftMs ?? NaN, tpotMs: tpotMs ?? NaN, tokenTimesMs, totalMs, generatedTokens: ids.length }),
    tokenizeMs,
    prefillTokensPerSecond: prefillFromTtft ? (1000 * promptIds.length) / (ttftMs ?? NaN) : (prefillTokensPerSecond ?? NaN),
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
