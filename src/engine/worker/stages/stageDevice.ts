/**
 * What a stage needs from the device it runs on. One implementation per execution provider; everything above is the same for all.
 *
 * Everything lies where it is read: ids and lengths, the KV cache and the hidden states handed to the next stage are allocated through
 * {@link StageMemory}; logits, which the sampler reads, are host tensors.
 */

import type { DeviceId, ProviderKind } from '../../../common/deviceId';
import type { DType } from '../../../common/dtype';
import type { AttentionKernel } from '../../../common/placement';
import type { GlmConfig } from '../../../model/config';
import type { KvDType, Precision } from '../../../model/precision';
import type { StoredTensor } from '../../../model/storedTensors';
import type { Env } from '../../../ort/env';
import type { AllocatorStats } from '../../../ort/memory';
import type { OrtLibrary } from '../../../ort/ortLibrary';
import type { Session, SessionOptions } from '../../../ort/session';
import type { Value } from '../../../ort/value';
import type { OperatorShape } from './cudaOperators';
import type { FileRun } from './weightBytes';

export interface StageDevice extends Disposable {
  readonly id: DeviceId;
  readonly provider: ProviderKind;
  /** `initializers`: the runtime maps the packed file. `inputs`: {@link StageMemory.loadWeights} puts them on the device. */
  readonly weightsAs: 'initializers' | 'inputs';
  /** True: long runs too stay on the calling thread, so chunks must be short. */
  readonly runsOnCallingThread?: boolean;
  /** The attention kernel of the runtime here for heads of that many dimensions and a cache of that dtype; undefined where there is no telling. */
  attentionKernel?(headDim: number, kv: KvDType): AttentionKernel;
  /** True: the session was configured so that a decode step can be captured and replayed. */
  readonly capturesSteps?: boolean;
  /** What the driver counts on the whole device now; absent where nobody counts. */
  memoryReading?(): { readonly freeBytes: number; readonly totalBytes: number };
  /** Makes operators that not every runtime has ready for a session with this precision, where they serve; {@link configure} then adds those of ours. @returns the precision that uses them. */
  bringOperators?(library: OrtLibrary, precision: Precision, shape: OperatorShape): Promise<Precision>;
  /** Says what will be decoded here, before the weights are loaded. */
  expectDecoding?(config: GlmConfig, precision: Precision, contextTokens: number): void;
  /** Appends the provider and what it needs. Called before the session is made. */
  configure(options: SessionOptions, env: Env): void;
  /** Called when the session is loaded, before anything else is allocated. @returns bytes of weights that were moved onto huge pages. */
  afterLoad?(): Promise<number>;
  /** Memory for a session's tensors on this device. */
  openMemory(env: Env, session: Session, precision: Precision): StageMemory;
}

/** Rows of the KV cache of one layer. */
export interface KvPair {
  readonly key: Value;
  readonly value: Value;
}

/** Memory of one session on its device. Everything allocated here is released with it. */
export interface StageMemory extends Disposable {
  /** True when a bound host tensor is read in place, so that it needs no rebinding after a change. */
  readonly sharesHostMemory: boolean;
  /** A tensor on the device, for hidden states. The caller gives it back with {@link release}. */
  allocate(dtype: DType, shape: readonly number[]): Value;
  release(value: Value): void;
  /** The KV cache of the given layers for `maxBatch` slots of `kv[numKvHeads, contextTokens, headDim]`. */
  allocateKv(layers: readonly number[], dtype: DType, maxBatch: number, slotShape: readonly number[]): KvMemory;
  /** Puts weights on the device, to be bound as inputs by name. Only where `weightsAs` is `inputs`. */
  loadWeights?(stored: readonly StoredTensor[], runsOf: ReadonlyMap<string, readonly FileRun[]>, onBytes: (bytes: number) => void, signal?: AbortSignal): Promise<ReadonlyMap<string, Value>>;
  /** Copies a tensor of another stage's memory into one allocated here, directly between devices; undefined when this memory can't. Waits. */
  copyFrom?(to: Value, from: Value, fromMemory: StageMemory): void;
  /** Copies a tensor allocated here over another, before the runs that follow. Undefined when this memory can't. */
  copyWithin?(to: Value, from: Value): void;
  /** Writes a host tensor over one allocated here, for the runs that follow. Undefined when this memory can't, or shares the host's. */
  upload?(to: Value, from: Value): void;
  /** Reads a tensor allocated here into a host tensor. Waits. */
  download?(to: Value, from: Value): void;
  /** The runtime's own arena on this device; undefined when it keeps no figures. */
  arena(): AllocatorStats | undefined;
  /** Makes the arena take so many bytes in one piece for runs to come. Undefined where it would take more than asked. */
  reserve?(byteLength: number): void;
}

export interface KvMemory extends Disposable {
  readonly byteLength: number;
  /** Layer `layerIndex` of the whole model, slots `firstSlot` … as one batch; undefined when these slots do not lie together. */
  rows(layerIndex: number, firstSlot: number, slotCount: number): KvPair | undefined;
}
