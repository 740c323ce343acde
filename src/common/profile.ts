/**
 * What a profile is: one document for the engine that measures, the command line that writes it, and the panel that draws it.
 *
 * All spans of a request lie on one axis, milliseconds since its submit; documents lie on the Unix epoch. A figure that was not measured is undefined.
 * docs/schemas/profile-1.schema.json is made of these types and their docstrings (`npm run docs:schemas`).
 */

import type { DeviceId } from './deviceId';
import type { DeviceMemoryUse, StagePlacement } from './placement';
import type { LoadedModel, MeasuredBandwidth } from './protocol/engine';
import type { TelemetrySample } from './protocol/monitor';
import type { Amount, Count } from './quantities';

/** Changes with every incompatible change of {@link Profile}. */
export const profileSchema = 'glm-local.profile/1';

/** `device`: timed by the device's own clock or events; `host`: by the host around calls, waits included. */
export type ProfileClock = 'device' | 'host';

/** `copy` spans lie within the step that they belong to; all others of one request follow each other and do not overlap. */
export type PhaseKind = 'queue' | 'tokenize' | 'prefill' | 'decode' | 'copy' | 'sample' | 'detokenize';

export interface PhaseSpan {
  readonly kind: PhaseKind;
  /** Since the request was submitted. */
  readonly startMs: number;
  readonly durationMs: Amount;
  /** Tokens of a chunk or a step. */
  readonly tokens?: Count;
  /** Of a copy. */
  readonly bytes?: Amount;
  readonly from?: DeviceId;
  readonly to?: DeviceId;
  /** Absent: the profile's own. */
  readonly clock?: ProfileClock;
}

/** The phases of one request, as they were timed while it ran. */
export interface GenerationProfile {
  readonly generationId: string;
  /** Milliseconds since the Unix epoch. */
  readonly submittedAtMs: number;
  readonly totalMs: Amount;
  readonly promptTokens: Count;
  readonly reusedTokens: Count;
  readonly generatedTokens: Count;
  /** Of the spans. Work on a GPU is queued and waited for, so the host's clock times waits. Absent in old files: `host`. */
  readonly clock?: ProfileClock;
  /** In the order of their starts. */
  readonly spans: readonly PhaseSpan[];
  /** Own memory by device, when it changed. */
  readonly memory: readonly { readonly atMs: number; readonly devices: readonly DeviceMemoryUse[] }[];
}

/** A node of a stage's graph, or a kernel of this product in its place. */
export interface ProfiledNode {
  readonly name: string;
  readonly opType: string;
  /** As the runtime names it (`CUDAExecutionProvider`), or `GLM Local` for kernels of this product. */
  readonly provider: string;
  readonly stageIndex: Count;
  readonly device: DeviceId;
  /** Index in the whole model; undefined for embedding, final norm and head. */
  readonly layer?: Count;
  /** Weights and inputs that the node has to read at least once, and outputs that it writes; undefined where unknown. */
  readonly bytes?: Amount;
  /** Multiply-adds count twice. */
  readonly flops?: Amount;
}

/**
 * Steps whose every node was timed. Times are step-major: node `n` of step `s` is at index `s * nodes.length + n`; a node that did not run in a step has -1.
 * All starts count from the start of the first step.
 */
export interface OperatorProfile {
  readonly kind: 'prefill' | 'decode';
  /** Tokens per step and sequence. */
  readonly tokens: Count;
  /** Positions in the cache before the first of the steps. */
  readonly contextTokens: Count;
  readonly clock: ProfileClock;
  /** `extra`: steps run for the profile only, without graph capture, because a captured graph reports no nodes. */
  readonly mode: 'as-run' | 'extra';
  /** Of the first step, milliseconds since the Unix epoch. */
  readonly startedAtMs?: number;
  /** Median of the same step as it runs without a profile; what the nodes' sum is held against. */
  readonly plainStepMs?: Amount;
  /** With host times only: what the device's own clock gave the kernels of a median step, where that is too far from the plain step to be shown as its parts. */
  readonly deviceNodesMs?: Amount;
  readonly nodes: readonly ProfiledNode[];
  readonly steps: readonly { readonly startMs: number; readonly durationMs: Amount }[];
  readonly startsUs: readonly number[];
  readonly durationsUs: readonly number[];
}

/** Hidden states from one stage to the next. */
export interface StageCopy {
  readonly fromStage: Count;
  readonly toStage: Count;
  readonly from: DeviceId;
  readonly to: DeviceId;
  readonly route: 'same-device' | 'peer' | 'host';
  readonly bytesPerToken: Amount;
  readonly msPerToken?: Amount;
}

/** A part of the model that lies on one device. */
export interface PlacedPart {
  readonly part: 'embedding' | 'layer' | 'head';
  /** Of `layer` only. */
  readonly layer?: Count;
  readonly stageIndex: Count;
  readonly device: DeviceId;
  readonly weightBytes: Amount;
  readonly kvBytesPerPosition: Amount;
  /** From {@link OperatorProfile}, medians; undefined until such steps were profiled. */
  readonly decodeMs?: Amount;
  readonly prefillMs?: Amount;
  readonly clock?: ProfileClock;
}

export interface PlacementMap {
  readonly parts: readonly PlacedPart[];
  readonly copies: readonly StageCopy[];
  /** Nodes of each stage with the execution provider that runs them; empty where the runtime does not tell and nothing was profiled. */
  readonly nodes: readonly Pick<ProfiledNode, 'name' | 'opType' | 'provider' | 'stageIndex' | 'device' | 'layer'>[];
}

/** What the memory forecast computes from; bytes as allocated or measured. */
export interface ForecastBasis {
  readonly devices: readonly {
    readonly device: DeviceId;
    readonly name: string;
    readonly weightBytes: Amount;
    readonly kvBytesPerPosition: Amount;
    /** Positions that caches are rounded up to. */
    readonly kvStepPositions: Count;
    /** Independent of context and batch: prefill buffers, kernels, the runtime's own. */
    readonly fixedBytes: Amount;
    /** Per sequence, besides keys and values. */
    readonly bytesPerSequence: Amount;
    readonly totalBytes?: Amount;
    /** Free for this model: free now and held by it. */
    readonly availableBytes?: Amount;
  }[];
  readonly maxContextTokens: Count;
  /** As loaded. */
  readonly contextTokens: Count;
  readonly maxBatch: Count;
}

/** What recording cost in this document, in milliseconds per token or percent; measured with and without. */
export interface ProfilingCost {
  readonly plainTpotMs?: Amount;
  readonly profiledTpotMs?: Amount;
  /** How far requests without a profile lay apart, of their median: a smaller difference says nothing. */
  readonly plainSpreadPercent?: Amount;
  /** Share of one core that the telemetry took. */
  readonly telemetryCorePercent?: Amount;
}

export interface Profile {
  readonly schema: typeof profileSchema;
  readonly startedAtMs: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly model?: Pick<LoadedModel, 'description' | 'weights' | 'kvCache' | 'contextTokens' | 'maxBatch' | 'runtimeVersion'> & { readonly stages: readonly StagePlacement[] };
  readonly telemetry: readonly TelemetrySample[];
  /** Own memory of the engine by time, to split a device's memory into weights, KV cache, activations and others. */
  readonly engineMemory: readonly { readonly timeMs: number; readonly devices: readonly DeviceMemoryUse[] }[];
  readonly generations: readonly GenerationProfile[];
  readonly placement?: PlacementMap;
  readonly operators: readonly OperatorProfile[];
  readonly bandwidth: readonly MeasuredBandwidth[];
  readonly forecast?: ForecastBasis;
  readonly cost?: ProfilingCost;
}
