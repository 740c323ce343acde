/** Engines of others, measured with the same prompts and lengths as ours: what they are and what a measurement of one hands back. */

import type { CasePlan, ScenarioSettings } from '../scenarios/scenario';
import type { TelemetrySource } from '../runCase';
import type { BenchmarkCase, BenchmarkRules } from '../report/schema';
import { hashPromptIds } from '../prompt';

export type TransformersVariant = 'eager' | 'compiled';

export interface TransformersEngine {
  readonly kind: 'transformers';
  /** The user's interpreter: a path, or a name on PATH. */
  readonly python: string;
  /** A checkpoint folder, or a name that transformers finds in its cache. */
  readonly source: string;
  readonly dtype: 'bf16' | 'f16' | 'f32';
  /** `cuda:0` where torch finds a GPU, otherwise `cpu`, when undefined. */
  readonly device?: string;
  readonly variants: readonly TransformersVariant[];
  /** The most that the warm-up of one variant, compiling included, may take. */
  readonly warmupLimitMs: number;
  readonly threads?: number;
}

export interface ServerEngine {
  readonly kind: 'server';
  /** Such as `http://127.0.0.1:8080`; a `/v1` at the end is understood. */
  readonly url: string;
  readonly apiKey?: string;
  /** The first that the server lists when undefined. */
  readonly model?: string;
}

/** @param address  As users write it: `http://127.0.0.1:11434`, with `#` and a model's name behind it where the server has several. */
export function serverAt(address: string, apiKey?: string): ServerEngine {
  const [url = '', ...name] = address.split('#');
  const model = name.join('#');
  return { kind: 'server', url, ...(apiKey === undefined ? {} : { apiKey }), ...(model === '' ? {} : { model }) };
}

export type OtherEngine = TransformersEngine | ServerEngine;

export interface OtherCase extends CasePlan {
  readonly promptIds: readonly number[];
  /** The ids as text, for engines that take none. */
  readonly promptText: string | undefined;
  /** Whether our tokenizer reads that text as exactly those ids. */
  readonly promptReadsBack?: boolean;
}

export interface OtherRun {
  readonly cases: readonly OtherCase[];
  readonly settings: ScenarioSettings;
  readonly telemetry?: TelemetrySource;
  readonly signal?: AbortSignal;
  readonly onLoading: (label: string) => void;
  readonly onMeasuring: (label: string) => void;
  readonly onRun: () => void;
  /** Told of a process that was started to be measured. */
  readonly onProcess?: (pid: number) => void;
}

export interface OtherOutcome {
  readonly cases: readonly BenchmarkCase[];
  /** What could not be measured and why. */
  readonly notes: readonly string[];
}

export function rulesOfOther({ promptIds, newTokens, concurrency }: OtherCase, { warmupRuns, repetitions }: ScenarioSettings, promptForm: 'ids' | 'text'): BenchmarkRules {
  return {
    promptTokens: promptIds.length,
    newTokens,
    promptHash: hashPromptIds(promptIds),
    eosIgnored: true,
    sampling: 'greedy',
    seed: 0,
    warmupRuns,
    repetitions,
    batch: 1,
    concurrency,
    promptForm,
  };
}

/** Warm-ups included; for the progress. */
export function countRuns(engine: OtherEngine, numCases: number, { warmupRuns, repetitions }: ScenarioSettings): number {
  const runs = (warmups: number): number => numCases * (warmups + repetitions);
  return engine.kind === 'server' ? runs(warmupRuns) : engine.variants.reduce((sum, variant) => sum + runs(variant === 'compiled' ? Math.max(3, warmupRuns) : warmupRuns), 0);
}

export function labelOf(engine: OtherEngine): string {
  return engine.kind === 'server' ? engine.url : 'transformers';
}
