/** The contract between a host (extension, CLI, server) and an engine process. Mirrored by src/engine/client and src/engine/worker. */

import type { AlignmentCosts, AlignmentMessage, AlignmentMode } from '../alignment';
import type { ChatInput } from '../chat';
import type { DeviceId, ProviderKind } from '../deviceId';
import type { KvFormat, WeightFormat } from '../dtype';
import type { LogRecord } from '../log';
import type { ForecastBasis, GenerationProfile, OperatorProfile, PlacementMap } from '../profile';
import type { DeviceBudget, DeviceMapRequest, DeviceMemoryUse, PlacementPlan, StageAssignment } from '../placement';
import type { GenerationOptions, SamplingDefaults, StopReason } from '../sampling';

export interface LoadOptions {
  /** A checkpoint folder, or `org/name` to be found in the Hugging Face cache. */
  readonly source: string;
  readonly provider: ProviderKind | 'auto';
  readonly weights: WeightFormat | 'auto';
  readonly kvCache: KvFormat | 'auto';
  /** Positions to allocate per sequence; undefined lets the engine choose and report. */
  readonly contextTokens?: number;
  /** Sequences that can be decoded together. */
  readonly maxBatch: number;
  readonly deviceMap: DeviceMapRequest;
  /** Cuts the model into this many stages even on one device; for tests of the stage border. */
  readonly numStages?: number;
  /** Most bytes to use per device. */
  readonly maxMemoryBytes?: Readonly<Record<string, number>>;
  readonly includeDevices?: readonly DeviceId[];
  readonly excludeDevices?: readonly DeviceId[];
  /** Software rasterisers count as WebGPU devices only when true. */
  readonly allowSoftwareGpu: boolean;
  readonly cpuThreads?: number;
  /** Folder for packed weights. */
  readonly cacheFolder: string;
  /** A folder or file with libonnxruntime that replaces the packaged one. */
  readonly ortLibrary?: string;
  readonly alignment: AlignmentMode;
  /** MatMulNBits' accuracy_level on the CPU: 4 (int8 activations, fast) or 0 (f32 activations). */
  readonly accuracyLevel?: 0 | 4;
  /** Milliseconds per token of each kind of misalignment, as measured before on this machine; told with the messages. */
  readonly alignmentCostsMs?: AlignmentCosts;
  /**
   * Debug option: puts these on the wrong device on purpose; refused where there is none. Unless alignment is `autoFix`, decoding uses
   * the runtime's own kernels then, also for an empty list, so that runs with and without compare.
   */
  readonly misplace?: readonly Misplaceable[];
}

/**
 * Tensors first: token ids, positions (the lengths that say where the new tokens go), hidden states between stages, keys and values, logits.
 * `node`: one node of the first GPU stage with an operator that no GPU provider has. `provider`: the last GPU stage is opened without its provider.
 * `plan`: keys and values of one sequence more than the plan says. The last three can't be repaired, so they stay under `autoFix` too.
 */
export type Misplaceable = 'input_ids' | 'positions' | 'hidden' | 'kv' | 'logits' | 'node' | 'provider' | 'plan';

/** What a checkpoint is, without loading it. */
export interface ModelDescription {
  readonly name: string;
  readonly folder: string;
  readonly architecture: 'glm' | 'glm4' | 'chatglm';
  readonly numLayers: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly vocabSize: number;
  readonly maxContextTokens: number;
  readonly parameterCount: number;
  readonly fileDtype: string;
  readonly fileBytes: number;
  /** False for a base checkpoint: it is offered plain completion only. */
  readonly hasChatTemplate: boolean;
  readonly eosTokenIds: readonly number[];
  /** True for the small model that ships with the extension. */
  readonly isDemo: boolean;
  /** The template opens or expects a `<think>` part (GLM-Z1). */
  readonly thinks: boolean;
  /** Of generation_config.json. */
  readonly samplingDefaults?: SamplingDefaults;
}

/** A checkpoint in the Hugging Face cache, for a model picker; unsupported ones are listed with the reason. */
export interface ListedCheckpoint {
  /** `org/name`. */
  readonly name: string;
  readonly folder: string;
  readonly modelType?: string;
  readonly fileBytes: number;
  readonly supported: boolean;
  readonly problem?: string;
}

export interface LoadedModel {
  readonly description: ModelDescription;
  readonly plan: PlacementPlan;
  readonly assignments: readonly StageAssignment[];
  readonly memory: readonly DeviceMemoryUse[];
  readonly weights: WeightFormat;
  readonly kvCache: KvFormat;
  readonly contextTokens: number;
  readonly maxBatch: number;
  readonly loadMs: number;
  readonly runtimeVersion: string;
  /** What was not where it belongs right after loading; later changes come as events. */
  readonly alignment?: readonly AlignmentMessage[];
  /** Some stage runs on a software stand-in for a GPU: it behaves like one, and its times say nothing about one. */
  readonly simulated?: boolean;
  /** What one decode step reads, by stage. */
  readonly decodeReads?: readonly DecodeRead[];
}

/** What a stage has to read for one token of one sequence. */
export interface DecodeRead {
  readonly device: DeviceId;
  /** Layers and head in the formats they are held in; of an embedding only one row is read, which is not counted. */
  readonly weightBytes: number;
  /** Keys and values of its layers, for each position of the context in use. */
  readonly kvBytesPerPosition: number;
}

/** Measured by copies within the device's memory; bytes read and written both count. */
export interface MeasuredBandwidth {
  readonly device: DeviceId;
  readonly bytesPerSecond: number;
}

export interface LoadProgress {
  /** `calibrating`: the model is opened once more, to measure the scales of an int8 KV cache. */
  readonly phase: 'reading' | 'packing' | 'calibrating' | 'loading' | 'warming-up';
  readonly device?: DeviceId;
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** An estimate from this load's own pace; undefined while there is none. */
  readonly remainingMs?: number;
}

export type PromptInput =
  | { readonly kind: 'ids'; readonly ids: readonly number[] }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'chat'; readonly chat: ChatInput };

export interface GenerateParams {
  /** Chosen by the asker; events carry it. */
  readonly generationId: string;
  readonly prompt: PromptInput;
  readonly options: GenerationOptions;
  /** Sequences with the same key share a KV slot, so that a next turn reuses the common prefix. */
  readonly conversationKey?: string;
  /** Also return ids of the prompt; for tests and benchmarks. */
  readonly returnPromptIds?: boolean;
  /** Times the phases of this request. */
  readonly profile?: boolean;
}

export interface GenerateResult {
  readonly generationId: string;
  readonly ids: readonly number[];
  readonly text: string;
  readonly promptIds?: readonly number[];
  readonly stopReason: StopReason;
  readonly promptTokens: number;
  /** Prompt tokens whose keys and values were already in the cache. */
  readonly reusedTokens: number;
  /** First token − submit; undefined when no token came. */
  readonly ttftMs?: number;
  /** (last − first) / (n − 1); undefined below two tokens. */
  readonly tpotMs?: number;
  readonly decodeTokensPerSecond?: number;
  readonly prefillTokensPerSecond?: number;
  readonly tokenizeMs: number;
  /** Submit to end, waiting included. */
  readonly totalMs: number;
  readonly queuedMs: number;
  readonly peakMemoryBytes: Readonly<Record<string, number>>;
  readonly seed?: number;
  /** When each token was chosen, in ms since submit. */
  readonly tokenTimesMs?: readonly number[];
  /** When it was asked for. */
  readonly profile?: GenerationProfile;
}

export interface PrefillProgress {
  readonly generationId: string;
  readonly doneTokens: number;
  readonly totalTokens: number;
  readonly reusedTokens: number;
}

/** The prompt fits into the context, but the asked number of new tokens does not: told before the first token, so that no cut comes as a surprise. */
export interface ContextLimit {
  readonly generationId: string;
  readonly promptTokens: number;
  readonly contextTokens: number;
  /** Tokens that can be generated before the context is full. */
  readonly roomTokens: number;
  readonly maxNewTokens: number;
}

/** Batched: at most one event per generation and 16 ms. */
export interface TokenDelta {
  readonly generationId: string;
  /** Whole characters only. */
  readonly text: string;
  readonly ids: readonly number[];
  readonly generatedTokens: number;
  readonly elapsedMs: number;
}

export interface LogitsParams {
  readonly ids: readonly number[];
}

/** One entry less than there were ids: the first has nothing before it. */
export interface ScoreResult {
  /** Natural logarithm of the probability that each id had after those before it. */
  readonly logProbs: readonly number[];
  /** The most probable id at each of these places. */
  readonly bestIds: readonly number[];
}

export interface TokenizeParams {
  readonly text: string;
  /** `special`: as the Python library encodes; `no-special`: without the added prefix; `plain`: special literals stay text. */
  readonly mode: 'special' | 'no-special' | 'plain';
}

export interface OperatorProfileParams {
  /** Tokens of the prefill step that is timed, one chunk at most; then of the context that the decode steps find. */
  readonly promptTokens: number;
  readonly decodeSteps: number;
}

export interface PlacementReport {
  readonly placement: PlacementMap;
  readonly forecast: ForecastBasis;
}

export type EngineContract = {
  requests: {
    /** What the Hugging Face cache holds; needs no loaded model. */
    'checkpoints-list': { params: Record<string, never>; result: readonly ListedCheckpoint[] };
    /** Reads config and tokenizer only. */
    'model-describe': { params: { readonly source: string }; result: ModelDescription };
    /** `devices` plans for these in place of the machine's own. */
    'model-plan': { params: LoadOptions & { readonly devices?: readonly DeviceBudget[] }; result: { readonly description: ModelDescription; readonly plan: PlacementPlan } };
    'model-load': { params: LoadOptions; result: LoadedModel };
    'model-unload': { params: Record<string, never>; result: { readonly freedBytes: number } };
    generate: { params: GenerateParams; result: GenerateResult };
    logits: { params: LogitsParams; result: { readonly logits: readonly number[] } };
    /** How probable each of these ids was after those before it. Waits for generations under way. */
    score: { params: LogitsParams; result: ScoreResult };
    /** Measured now on the devices of the loaded model; a device that can't be measured is left out. */
    'memory-bandwidth': { params: Record<string, never>; result: readonly MeasuredBandwidth[] };
    /** Runs extra steps whose every node is timed, in an empty slot. Waits for generations under way; later ones wait for it. */
    'profile-operators': { params: OperatorProfileParams; result: readonly OperatorProfile[] };
    /** Where each part of the model lies, with its times once operators were profiled, and what a memory forecast computes from. */
    'placement-map': { params: Record<string, never>; result: PlacementReport };
    /** `source` reads a tokenizer without a loaded model; undefined uses the loaded one. */
    tokenize: { params: TokenizeParams & { readonly source?: string }; result: { readonly ids: readonly number[] } };
    detokenize: { params: { readonly ids: readonly number[]; readonly skipSpecial: boolean }; result: { readonly text: string } };
    'render-chat': { params: { readonly source?: string; readonly chat: ChatInput }; result: { readonly text: string; readonly ids: readonly number[] } };
    'memory-report': { params: Record<string, never>; result: readonly DeviceMemoryUse[] };
    /** Forgets a conversation's keys and values. */
    'conversation-forget': { params: { readonly conversationKey: string }; result: Record<string, never> };
  };
  events: {
    heartbeat: { readonly timeMs: number };
    'model-load-progress': LoadProgress;
    'prefill-progress': PrefillProgress;
    'context-limit': ContextLimit;
    'token-delta': TokenDelta;
    'alignment-message': AlignmentMessage;
    /** Keys of messages whose cause is gone. */
    'alignment-resolved': { readonly keys: readonly string[] };
    'memory-use': readonly DeviceMemoryUse[];
    log: LogRecord;
  };
};
