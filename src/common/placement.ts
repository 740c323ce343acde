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
  | { readonly kind: 'map'; readonly map: Readonly<Record<string, string | number>> };

/** A device as the planner sees it. Bytes as just measured, never the card's total. */
export interface DeviceBudget {
  readonly id: DeviceId;
  readonly name: string;
  readonly provider: ProviderKind;
  readonly freeBytes: number;
  readonly totalBytes?: number;
  /** Measured copy bandwidth in bytes per second, when known; balances unequal devices. */
  readonly bandwidthBytesPerSecond?: number;
}

/** Bytes of a model's parts in one weight format. Index of `layerBytes` is the layer's index in the whole model. */
export interface ModelSizes {
  readonly numLayers: number;
  readonly embeddingBytes: number;
  readonly layerBytes: readonly number[];
  /** Final norm and lm_head; for a tied head the embedding's bytes count again on a last stage that is not the first. */
  readonly headBytes: number;
  readonly kvBytesPerTokenPerLayer: number;
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
  /** The largest context that would still fit on these devices. */
  readonly largestContextTokens: number;
  readonly warnings: readonly PlacementWarning[];
}

/** What the runtime reports after loading, to be held against the plan. */
export interface StageAssignment {
  readonly stageIndex: number;
  readonly device: DeviceId;
  readonly provider: ProviderKind;
  /** Nodes by execution provider name, as the runtime reports them; undefined when it does not. */
  readonly nodesByProvider?: Readonly<Record<string, number>>;
  /** Where each graph input and output is expected by the runtime: name → memory name such as `Cpu`, `Cuda:0`, `WebGPU_Buf`. */
  readonly inputMemory: Readonly<Record<string, string>>;
  readonly outputMemory: Readonly<Record<string, string>>;
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
