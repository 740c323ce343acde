/**
 * The benchmark report as data: `glm-local-bench`, version 1. Written by `glm bench --json`, read by `glm bench compare` and the report view.
 *
 * A reader must refuse a file whose `schema` it does not know. Additions that an old reader can ignore keep the version; anything else raises it.
 * The documentation of the fields for people is docs/benchmarks.md.
 */

import type { AlignmentKind } from '../../common/alignment';
import type { DeviceDescription } from '../../common/protocol/monitor';
import type { Summary } from '../statistics';

export const reportSchema = 'glm-local-bench/1';

/** What was done identically in every compared run, and printed with the report. */
export interface BenchmarkRules {
  readonly promptTokens: number;
  readonly newTokens: number;
  /** SHA-256 of the prompt ids as little-endian u32. */
  readonly promptHash: string;
  readonly eosIgnored: true;
  readonly sampling: string;
  readonly seed: number;
  readonly warmupRuns: number;
  readonly repetitions: number;
  readonly batch: number;
  readonly concurrency: number;
}

/** One counted run. Times in milliseconds; what could not be measured is absent. */
export interface RunSample {
  readonly ttftMs: number;
  readonly tpotMs: number;
  readonly itlMs: readonly number[];
  readonly totalMs: number;
  readonly tokenizeMs: number;
  readonly generatedTokens: number;
  readonly prefillTokensPerSecond: number;
  readonly decodeTokensPerSecond: number;
  readonly peakMemoryBytes: Readonly<Record<string, number>>;
  /** From the power counter during the run, over generated tokens. */
  readonly joulesPerToken?: number;
}

export type MetricName = 'ttftMs' | 'tpotMs' | 'itlMs' | 'prefillTokensPerSecond' | 'decodeTokensPerSecond' | 'totalMs' | 'joulesPerToken';

/** One configuration, measured. */
export interface BenchmarkCase {
  readonly name: string;
  readonly model: string;
  readonly modelIdentity: string;
  readonly engine: string;
  readonly provider: string;
  readonly weights: string;
  readonly devices: readonly string[];
  readonly rules: BenchmarkRules;
  readonly samples: readonly RunSample[];
  readonly summaries: Partial<Record<MetricName, Summary>>;
  /** Facts about the surroundings that weaken the figures: other GPU processes, throttling, too wide a spread. */
  readonly cautions: readonly string[];
  /** Set when a cancel or an error ended the case early; the samples until then are kept. */
  readonly endedBy?: string;
}

export interface BenchmarkEnvironment {
  readonly extensionVersion: string;
  readonly commit?: string;
  readonly runtimeVersion?: string;
  readonly nodeVersion: string;
  readonly platform: string;
  readonly cpu: string;
  readonly logicalCores: number;
  readonly memoryBytes: number;
  readonly devices: readonly DeviceDescription[];
}

/** What one kind of misplaced tensor costs, from the same generation with and without. */
export interface AlignmentCost {
  readonly tensor: string;
  readonly kind: AlignmentKind;
  readonly label: string;
  /** As the engine reported it. */
  readonly bytesPerToken?: number;
  readonly alignedTokensPerSecond: number;
  readonly misalignedTokensPerSecond: number;
  /** Difference of the median times per token. */
  readonly costMsPerToken: number;
  /** False: the difference is within the noise of the runs. */
  readonly isSignificant: boolean;
}

export interface BenchmarkReport {
  readonly schema: typeof reportSchema;
  readonly scenario: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly elapsedMs: number;
  readonly environment: BenchmarkEnvironment;
  readonly cases: readonly BenchmarkCase[];
  /** Scenario "alignment" only. */
  readonly alignment?: readonly AlignmentCost[];
  /** Paragraphs that explain the result in words. */
  readonly notes: readonly string[];
}
