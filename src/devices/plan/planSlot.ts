/** A device ready for planning: how many bytes it may take, and what a run of layers costs there. */

import type { DeviceBudget, MemoryNeed, ModelSizes } from '../../common/placement';
import type { KvFormat, WeightFormat } from '../../common/dtype';

export interface PlanSlot {
  readonly device: DeviceBudget;
  /** Free bytes, cut by the user's own limit. */
  readonly budgetBytes: number;
  readonly sizes: ModelSizes;
  readonly weightFormat: WeightFormat;
  readonly kvFormat: KvFormat;
  /** `layerBytesBefore[i]` is the sum of the layers before layer i; one entry more than there are layers. */
  readonly layerBytesBefore: readonly number[];
}

export interface StageBytes {
  readonly weightBytes: number;
  readonly kvBytes: number;
  readonly activationBytes: number;
}

export function makeSlot(
  device: DeviceBudget,
  budgetBytes: number,
  sizes: ModelSizes,
  formats: { readonly weightFormat: WeightFormat; readonly kvFormat: KvFormat },
): PlanSlot {
  const layerBytesBefore = [0];
  for (const bytes of sizes.layerBytes) {
    layerBytesBefore.push((layerBytesBefore.at(-1) ?? 0) + bytes);
  }
  return { device, budgetBytes, sizes, weightFormat: formats.weightFormat, kvFormat: formats.kvFormat, layerBytesBefore };
}

/** Bytes of the layers `first` up to but without `end`. */
export function layerRunBytes(slot: PlanSlot, first: number, end: number): number {
  return (slot.layerBytesBefore[end] ?? 0) - (slot.layerBytesBefore[first] ?? 0);
}

/**
 * What one stage holds: its layers, the embedding when it is the first, norm and head when it is the last,
 * KV of every sequence at full context, and one arena for activations.
 */
export function stageBytes(slot: PlanSlot, need: MemoryNeed, first: number, end: number): StageBytes {
  const { sizes } = slot;
  const hasEmbedding = first === 0;
  const hasHead = end === sizes.numLayers;
  const shared = hasEmbedding && hasHead ? (sizes.sharedHeadBytes ?? 0) : 0;
  // A run holds at least the batch's decode step and at most one prefill chunk, whichever is wider.
  const positions = Math.max(Math.min(need.prefillChunkTokens, need.contextTokens), need.maxBatch);
  return {
    weightBytes: layerRunBytes(slot, first, end) + (hasEmbedding ? sizes.embeddingBytes : 0) + (hasHead ? sizes.headBytes : 0) - shared,
    kvBytes: sizes.kvBytesPerTokenPerLayer * need.contextTokens * need.maxBatch * (end - first),
    activationBytes:
      sizes.activationBytesPerToken * positions + (hasHead ? sizes.logitsBytes * need.maxBatch : 0) + (end > first ? (sizes.widenedKvBytesPerToken ?? 0) * need.contextTokens * need.maxBatch : 0),
  };
}

export const totalBytes = (bytes: StageBytes): number => bytes.weightBytes + bytes.kvBytes + bytes.activationBytes;

/** Where a run of layers is cut when it becomes `numStages` stages on one device: equal numbers of layers, the first ones one longer. */
export function splitRun(first: number, end: number, numStages: number): readonly (readonly [first: number, end: number])[] {
  const numLayers = end - first;
  return Array.from({ length: numStages }, (_, index): readonly [number, number] => [
    first + Math.ceil((numLayers * index) / numStages),
    first + Math.ceil((numLayers * (index + 1)) / numStages),
  ]);
}

/** What a device pays for a run cut into `numStages` stages: the stages and the headroom, once. */
export function runBytes(slot: PlanSlot, need: MemoryNeed, first: number, end: number, numStages: number): number {
  const stages = numStages === 1 ? [[first, end] as const] : splitRun(first, end, numStages);
  return stages.reduce((sum, [from, to]) => sum + totalBytes(stageBytes(slot, need, from, to)), need.headroomBytes);
}
