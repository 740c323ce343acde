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
  /** How the prompt reached the engine; ids when absent. */
  readonly promptForm?: 'ids' | 'text';
}

/** A rule that a case broke by itself: its figures may be shown, but not compared. */
export interface OwnBrokenRule {
  readonly rule: string;
  readonly explanation: string;
}

/** How near decoding came to the device's memory, when every weight and the cache are read once per token. */
export interface BandwidthUse {
  /** Measured by copies on each device, reads and writes counted. */
  readonly copyBytesPerSecond: Readonly<Record<string, number>>;
  /** At the middle of the answer, all devices together. */
  readonly readBytesPerToken: number;
  /** What a token takes at least at that rate. */
  readonly limitTpotMs: number;
  /** limitTpotMs over the median TPOT; above 1 when caches serve part of it. */
  readonly fractionOfLimit: number;
}

/** Over the counted runs of a case, prefill included; devices of the case only. */
export interface EnergyUse {
  readonly joulesPerToken: number;
  readonly averageWatts: number;
  readonly seconds: number;
  readonly readings: number;
}

/** How well the weights predict a bundled text. */
export interface Quality {
  /** `answers` after their questions in the chat template; `prose` for a checkpoint without one. */
  readonly text: 'answers' | 'prose';
  /** exp of the mean negative log-probability per token. */
  readonly perplexity: number;
  readonly scoredTokens: number;
  /** SHA-256 over the ids, as for prompts. */
  readonly textHash: string;
  /** Share of places where this and the first format hold the same token most probable; absent for the first. */
  readonly tokenAgreement?: number;
  /** Perplexity over that of the first format. */
  readonly perplexityRatio?: number;
}

/** What a text costs before the model sees it; in no other figure. */
export interface TextTimes {
  readonly label: string;
  readonly tokens: number;
  readonly tokenizeMs: Summary;
  /** Absent for a checkpoint without chat template. */
  readonly renderChatMs?: Summary;
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
}

export type MetricName = 'ttftMs' | 'tpotMs' | 'itlMs' | 'prefillTokensPerSecond' | 'decodeTokensPerSecond' | 'totalMs';

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
  /** Rules that this case broke whatever it is held against. */
  readonly brokenRules?: readonly OwnBrokenRule[];
  readonly bandwidth?: BandwidthUse;
  readonly energy?: EnergyUse;
  readonly quality?: Quality;
  /** What else matters for repeating it: versions, settings of another engine. */
  readonly setup?: readonly string[];
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
  /** As messages name it; undefined where no single tensor is concerned. */
  readonly tensor?: string;
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
  /** Measured on a software stand-in for a GPU. */
  readonly simulated?: boolean;
}

export interface BenchmarkReport {
  readonly schema: typeof reportSchema;
  readonly scenario: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly elapsedMs: number;
  readonly environment: BenchmarkEnvironment;
  readonly cases: readonly BenchmarkCase[];
  /** What else used the devices before the first load, one sentence each; empty when nothing did, absent when nobody looked. */
  readonly before?: readonly string[];
  readonly textTimes?: readonly TextTimes[];
  /** Scenario "alignment" only. */
  readonly alignment?: readonly AlignmentCost[];
  /** Paragraphs that explain the result in words. */
  readonly notes: readonly string[];
}
