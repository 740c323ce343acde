/** Where a model's layers go: what a user may ask for, what the planner answers, and what the runtime then really did. */

import type { DeviceId, ProviderKind } from './deviceId';
import type { KvFormat, WeightFormat } from './dtype';

/**
 * What a user may ask for.
 *
 * `map` takes our form (`{"model.layers.0-19": "cuda:0"}`) and the Hugging Face form (`{"model.embed_tokens": 0, "model.layers.0": 0}`).
 */
export type DeviceMapRequest =
  | { readonly kind: 'auto' | 'balanced' | 'sequential' }
  | { readonly kind: 'single'; readonly device?: DeviceId }
  | { readonly kind: 'map'; readonly map: Readonly<Record<string, string | number>>; /** The file it was read from. */ readonly file?: string };

/** A device as the planner sees it. Bytes as just measured, never the card's total. */
export interface DeviceBudget {
  readonly id: DeviceId;
  readonly name: string;
  readonly provider: ProviderKind;
  readonly freeBytes: number;
  readonly totalBytes?: number;
  /** A software rasteriser that stands in for a GPU. */
  readonly isSoftware?: boolean;
  /** Measured copy bandwidth in bytes per second, when known; balances unequal devices. */
  readonly bandwidthBytesPerSecond?: number;
}

/** Bytes of a model's parts in one weight format. Index of `layerBytes` is the layer's index in the whole model. */
export interface ModelSizes {
  readonly numLayers: number;
  readonly embeddingBytes: number;
  readonly layerBytes: readonly number[];
  /** Final norm and lm_head, with a tied head's matrix included. */
  readonly headBytes: number;
  /** The part of `headBytes` that is the embedding itself (tied head): not counted again on a stage that holds both ends. */
  readonly sharedHeadBytes?: number;
  readonly kvBytesPerTokenPerLayer: number;
  /** Keys and values of one position of one layer in full width, where a cache of fewer bits is widened before attention reads it: one layer at a time, for the whole context. */
  readonly widenedKvBytesPerToken?: number;
  /** Bytes one position needs for activations in a prefill chunk, at its widest point. */
  readonly activationBytesPerToken: number;
  /** Bytes of the logits of one row. */
  readonly logitsBytes: number;
}

export interface MemoryNeed {
  readonly contextTokens: number;
  readonly maxBatch: number;
  readonly prefillChunkTokens: number;
  /** Runtime arena, kernels and workspaces, once per device. */
  readonly headroomBytes: number;
}

/** How weights, keys and values are held; layers that fall to the CPU beside a GPU may be held another way. */
export interface PlacementFormats {
  readonly weightFormat: WeightFormat;
  readonly kvFormat: KvFormat;
  /** Needed for CPU stages when `weightFormat` is one that the CPU provider cannot run (bf16, f16). */
  readonly cpu?: { readonly sizes: ModelSizes; readonly weightFormat: WeightFormat; readonly kvFormat: KvFormat };
}

/** What the user set about devices besides the map. */
export interface PlacementLimits {
  /** Most bytes to use per device; keys as in a map: `cuda:0`, `0`, `cpu`. Devices not named are limited by their free bytes only. */
  readonly maxMemoryBytes?: Readonly<Record<string, number>>;
  readonly includeDevices?: readonly DeviceId[];
  readonly excludeDevices?: readonly DeviceId[];
  /** Exactly this many stages, several on one device where needed. */
  readonly numStages?: number;
  /** The model's max context; caps `largestContextTokens` unless the context that is asked for exceeds it. */
  readonly maxContextTokens?: number;
}

/** One contiguous run of layers on one device: layers `firstLayer` up to but without `endLayer`. */
export interface StagePlacement {
  readonly stageIndex: number;
  readonly device: DeviceId;
  readonly provider: ProviderKind;
  readonly firstLayer: number;
  readonly endLayer: number;
  readonly hasEmbedding: boolean;
  readonly hasHead: boolean;
  readonly weightBytes: number;
  readonly kvBytes: number;
  readonly activationBytes: number;
  /** Set where it differs from the plan's own. */
  readonly weightFormat?: WeightFormat;
  readonly kvFormat?: KvFormat;
}

export interface PlacementWarning {
  readonly code: string;
  readonly message: string;
}

/** The planner's answer. Every layer exactly once, in order. */
export interface PlacementPlan {
  readonly stages: readonly StagePlacement[];
  readonly weightFormat: WeightFormat;
  readonly kvFormat: KvFormat;
  readonly contextTokens: number;
  /** The largest context for which the same request on the same devices still gets a plan, layers moved where needed. */
  readonly largestContextTokens: number;
  /** The largest context that fits with these very stages; beyond it layers move to other devices or to the CPU. */
  readonly largestContextAsPlacedTokens: number;
  readonly warnings: readonly PlacementWarning[];
}

/** `own` are kernels of this product; `unfused` keeps the scores of all positions in memory. */
export type AttentionKernel = 'flash' | 'xqa' | 'cudnn' | 'memory-efficient' | 'own' | 'unfused';

/** What the runtime reports after loading, to be held against the plan. */
export interface StageAssignment {
  readonly stageIndex: number;
  readonly device: DeviceId;
  readonly provider: ProviderKind;
  /** Nodes by execution provider name, as the runtime reports them; undefined when it does not. */
  readonly nodesByProvider?: Readonly<Record<string, number>>;
  /** The nodes that run on the CPU inside a GPU stage, where the runtime names them. */
  readonly cpuNodes?: readonly CpuNode[];
  /** Where each graph input and output is expected by the runtime: name → memory name such as `Cpu`, `Cuda:0`, `WebGPU_Buf`. */
  readonly inputMemory: Readonly<Record<string, string>>;
  readonly outputMemory: Readonly<Record<string, string>>;
  /** Which kernel attends, to a prompt and for each token of a single sequence; undefined where there is no telling. */
  readonly attention?: AttentionUse;
}

export interface AttentionUse {
  readonly prefill: AttentionKernel;
  readonly decode: AttentionKernel;
  /** Variables of the environment that forbid faster kernels, as `NAME=value`. */
  readonly forbiddenBy?: readonly string[];
}

/** A node of a GPU stage that the GPU's provider did not take. */
export interface CpuNode {
  readonly name: string;
  readonly operator: string;
  /** Bytes that cross between GPU and CPU for one token because of it; undefined for a node that the runtime made itself. */
  readonly bytesPerToken?: number;
}

/** Bytes of our own allocations on one device; what was not measured is undefined. */
export interface DeviceMemoryUse {
  readonly device: DeviceId;
  readonly weightBytes: number;
  readonly kvBytes: number;
  /** The runtime's arena as it reports it. */
  readonly activationBytes?: number;
  readonly stagingBytes: number;
}
