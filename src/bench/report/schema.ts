/**
 * The benchmark report as data: `glm-local-bench`, version 1. Written by `glm bench --json`, read by `glm bench compare` and the report view.
 *
 * A reader must refuse a file whose `schema` it does not know. Additions that an old reader can ignore keep the version; anything else raises it.
 * The documentation of the fields for people is docs/benchmarks.md. docs/schemas/benchmark-report-1.schema.json is made of these types and their
 * docstrings (`npm run docs:schemas`): each field says what it holds and in which unit.
 */

import type { AlignmentKind } from '../../common/alignment';
import type { DeviceDescription } from '../../common/protocol/monitor';
import type { Amount, Count } from '../../common/quantities';
import type { Summary } from '../statistics';

export const reportSchema = 'glm-local-bench/1';

/** What was done identically in every compared run, and printed with the report. */
export interface BenchmarkRules {
  /** Tokens of each prompt. */
  readonly promptTokens: Count;
  /** Tokens that each run generates: min_new_tokens and max_new_tokens. */
  readonly newTokens: Count;
  /** SHA-256 of the prompt ids as little-endian u32. */
  readonly promptHash: string;
  /** Stop tokens did not end a run. */
  readonly eosIgnored: true;
  /** Such as `greedy`. */
  readonly sampling: string;
  /** Of the sampling; without meaning for greedy. */
  readonly seed: number;
  /** Runs before the first counted one. */
  readonly warmupRuns: Count;
  /** Counted runs asked for, those of requests at once counted each; fewer samples when the case ended early. */
  readonly repetitions: Count;
  /** Sequences of one request. */
  readonly batch: Count;
  /** Requests that run at once. */
  readonly concurrency: Count;
  /** How the prompt reached the engine; ids when absent. */
  readonly promptForm?: 'ids' | 'text';
}

/** A rule that a case broke by itself: its figures may be shown, but not compared. */
export interface OwnBrokenRule {
  /** The rule by its name, such as `cache`. */
  readonly rule: string;
  /** What was seen, in words. */
  readonly explanation: string;
}

/** How near decoding came to the device's memory, when every weight and the cache are read once per token. */
export interface BandwidthUse {
  /** Bytes per second by device. Measured by copies on each device, reads and writes counted. */
  readonly copyBytesPerSecond: Readonly<Record<string, Amount>>;
  /** Bytes of weights and cache for a token at the middle of the answer, all devices together. */
  readonly readBytesPerToken: Amount;
  /** Milliseconds that a token takes at least at that rate. */
  readonly limitTpotMs: Amount;
  /** limitTpotMs over the median TPOT; above 1 when caches serve part of it. */
  readonly fractionOfLimit: Amount;
}

/** Over the counted runs of a case, prefill included; devices of the case only. */
export interface EnergyUse {
  /** Joules, by generated token. */
  readonly joulesPerToken: Amount;
  /** Mean power in watts, all devices of the case together. */
  readonly averageWatts: Amount;
  /** Time of the counted runs in seconds. */
  readonly seconds: Amount;
  /** Power readings that the mean comes from. */
  readonly readings: Count;
}

/** How well the weights predict a bundled text. */
export interface Quality {
  /** `answers` after their questions in the chat template; `prose` for a checkpoint without one. */
  readonly text: 'answers' | 'prose';
  /** exp of the mean negative log-probability per token. */
  readonly perplexity: Amount;
  /** Tokens whose probability was asked for. */
  readonly scoredTokens: Count;
  /** SHA-256 over the ids, as for prompts. */
  readonly textHash: string;
  /** Share, 0 to 1, of places where this and the first format hold the same token most probable; absent for the first. */
  readonly tokenAgreement?: Amount;
  /** Perplexity over that of the first format. */
  readonly perplexityRatio?: Amount;
}

/** What a text costs before the model sees it; in no other figure. */
export interface TextTimes {
  /** Which text. */
  readonly label: string;
  /** Tokens that the text comes to. */
  readonly tokens: Count;
  /** Milliseconds to make the ids. */
  readonly tokenizeMs: Summary;
  /** Milliseconds to fill the chat template. Absent for a checkpoint without one. */
  readonly renderChatMs?: Summary;
}

/** One counted run. Times in milliseconds; what could not be measured is absent. */
export interface RunSample {
  /** Milliseconds from submitting the request to the first token. */
  readonly ttftMs: Amount;
  /** Milliseconds per token after the first: (last − first) / (tokens − 1). */
  readonly tpotMs: Amount;
  /** Milliseconds between neighbouring tokens. */
  readonly itlMs: readonly Amount[];
  /** Milliseconds from submitting the request to its end. */
  readonly totalMs: Amount;
  /** Milliseconds to make the prompt ids; 0 where ids were given. */
  readonly tokenizeMs: Amount;
  /** Tokens of the answer. */
  readonly generatedTokens: Count;
  /** Prompt tokens per second of the prefill. */
  readonly prefillTokensPerSecond: Amount;
  /** Tokens per second after the first. */
  readonly decodeTokensPerSecond: Amount;
  /** Highest bytes in use during the run, by device. */
  readonly peakMemoryBytes: Readonly<Record<string, Amount>>;
}

export type MetricName = 'ttftMs' | 'tpotMs' | 'itlMs' | 'prefillTokensPerSecond' | 'decodeTokensPerSecond' | 'totalMs';

/** What a model was loaded with. */
export interface LoadSettings {
  /** Positions allocated for each sequence. */
  readonly contextTokens: Count;
  /** Sequences that could be decoded together. */
  readonly maxBatch: Count;
  /** Format of keys and values in memory, such as `f32`. */
  readonly kvCache: string;
  /** Each stage with its device and its layers, in their order. */
  readonly stages: readonly string[];
  /** Threads of the engine on the processor; absent where nobody chose a number. */
  readonly threads?: Count;
  /** Of int4 and int8 on the processor: 4 rounds activations to int8, 0 keeps them; absent where nobody chose. */
  readonly accuracyLevel?: Count;
}

/** How large a model is. */
export interface ModelShape {
  /** Such as `glm4`. */
  readonly architecture: string;
  /** Decoder layers. */
  readonly numLayers: Count;
  /** Width of the hidden state. */
  readonly hiddenSize: Count;
  /** Width within the MLP. */
  readonly intermediateSize: Count;
  /** Heads of queries. */
  readonly numHeads: Count;
  /** Heads of keys and values. */
  readonly numKvHeads: Count;
  /** Width of a head. */
  readonly headDim: Count;
  /** Rows of the embedding. */
  readonly vocabSize: Count;
  /** Weights in all. */
  readonly parameterCount: Count;
}

/** One configuration, measured. */
export interface BenchmarkCase {
  /** What compares two reports: cases of one name belong together. */
  readonly name: string;
  /** Name of the model. */
  readonly model: string;
  /** Which model it was: its folder, or what a server calls it. */
  readonly modelIdentity: string;
  /** `glm-local`, or the other engine with its version. */
  readonly engine: string;
  /** Execution provider: `cpu`, `cuda`, `webgpu`; for other engines what is known of it. */
  readonly provider: string;
  /** Format of the weights in memory, such as `bf16` or `int4`. */
  readonly weights: string;
  /** Devices that computed: `cpu`, `cuda:0`, `webgpu:0`. */
  readonly devices: readonly string[];
  /** What was identical in all runs of the case. */
  readonly rules: BenchmarkRules;
  /**
   * Raw samples of every counted run.
   * @minItems 1
   */
  readonly samples: readonly RunSample[];
  /** Statistics over the samples, by metric; a metric that was not measured is absent. */
  readonly summaries: Partial<Record<MetricName, Summary>>;
  /** Facts about the surroundings that weaken the figures: other GPU processes, throttling, too wide a spread. */
  readonly cautions: readonly string[];
  /** Rules that this case broke whatever it is held against. */
  readonly brokenRules?: readonly OwnBrokenRule[];
  /** Absent where the devices' copy bandwidth was not measured. */
  readonly bandwidth?: BandwidthUse;
  /** Absent where power can't be read. */
  readonly energy?: EnergyUse;
  /** Scenario "precision" only. */
  readonly quality?: Quality;
  /** Absent for other engines, and in reports of before 2026-12-01. */
  readonly load?: LoadSettings;
  /** Absent for other engines, and in reports of before 2026-12-01. */
  readonly shape?: ModelShape;
  /** What else matters for repeating it: versions, settings of another engine. */
  readonly setup?: readonly string[];
  /** Set when a cancel or an error ended the case early; the samples until then are kept. */
  readonly endedBy?: string;
}

export interface BenchmarkEnvironment {
  /** Version of GLM Local. */
  readonly extensionVersion: string;
  /** Commit that it was built from. */
  readonly commit?: string;
  /** Version of ONNX Runtime. */
  readonly runtimeVersion?: string;
  /** Version of Node, such as `v20.20.2`. */
  readonly nodeVersion: string;
  /** Operating system and architecture, such as `linux-x64`. */
  readonly platform: string;
  /** Name of the processor. */
  readonly cpu: string;
  /** Logical cores of the machine. */
  readonly logicalCores: Count;
  /** Main memory of the machine in bytes. */
  readonly memoryBytes: Amount;
  /** Every device of the machine, measured or not. */
  readonly devices: readonly DeviceDescription[];
}

/** What one kind of misplaced tensor costs, from the same generation with and without. */
export interface AlignmentCost {
  /** As messages name it; undefined where no single tensor is concerned. */
  readonly tensor?: string;
  /** What lay where it does not belong. */
  readonly kind: AlignmentKind;
  /** The same for people. */
  readonly label: string;
  /** Bytes that crossed between devices for a token, as the engine reported it. */
  readonly bytesPerToken?: Amount;
  /** Tokens per second with everything in place. */
  readonly alignedTokensPerSecond: Amount;
  /** Tokens per second with it misplaced. */
  readonly misalignedTokensPerSecond: Amount;
  /** Milliseconds: difference of the median times per token. */
  readonly costMsPerToken: number;
  /** False: the difference is within the noise of the runs. */
  readonly isSignificant: boolean;
  /** Measured on a software stand-in for a GPU. */
  readonly simulated?: boolean;
}

export interface BenchmarkReport {
  /** Name and version of this format. */
  readonly schema: typeof reportSchema;
  /** Such as `standard`; docs/benchmarks.md lists them. */
  readonly scenario: string;
  /**
   * ISO 8601, UTC.
   * @pattern ^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$
   */
  readonly startedAt: string;
  /** Milliseconds that the whole took. */
  readonly elapsedMs: Amount;
  /** Versions and hardware. */
  readonly environment: BenchmarkEnvironment;
  /** What was measured, in the order of measuring. */
  readonly cases: readonly BenchmarkCase[];
  /** What else used the devices before the first load, one sentence each; empty when nothing did, absent when nobody looked. */
  readonly before?: readonly string[];
  /** Tokenizer and chat template, timed apart. Scenario "standard" only. */
  readonly textTimes?: readonly TextTimes[];
  /** Scenario "alignment" only. */
  readonly alignment?: readonly AlignmentCost[];
  /** Paragraphs that explain the result in words. */
  readonly notes: readonly string[];
}
