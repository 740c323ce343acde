/**
 * How each weight is held: which tensors it becomes in a packed file or on a device, with dtype, shape and bytes.
 *
 * Pure arithmetic: the same list serves the packer, the graph, the memory estimate and the loader, so they cannot disagree.
 */

import { dtypeBytes, type DType } from '../common/dtype';
import type { Precision } from './precision';
import { isQuantized } from './precision';
import type { WeightSpec } from './weightSpecs';

/** `dense`: the elements. `values`, `scales`, `zero_points`: block-quantised. `bias`: of a linear layer. */
export type StoredRole = 'dense' | 'values' | 'scales' | 'zero_points' | 'bias';

export interface StoredTensor {
  /** Unique in the model: the spec's id and the role. */
  readonly name: string;
  readonly spec: WeightSpec;
  readonly role: StoredRole;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly byteLength: number;
}

/** The dtype a checkpoint tensor has in its file. */
export type FileDtypeOf = (tensor: string) => DType;

export function storedName(spec: WeightSpec, role: StoredRole): string {
  return `${spec.id}.${role}`;
}

export const quantizedBits = { int4: 4, int8: 8 } as const;

/** Whether a weight is held block-quantised. An embedding whose rows are no whole blocks is not: its operator has no notion of padding. */
export function isStoredQuantized(spec: WeightSpec, precision: Precision): precision is Precision & { readonly weights: 'int4' | 'int8' } {
  const wanted = spec.kind === 'linear' || (spec.kind === 'embedding' && precision.embedding === 'quantized' && spec.width % precision.blockSize === 0);
  return wanted && isQuantized(precision.weights);
}

/** The tensors that hold one weight. */
export function storedTensorsOf(spec: WeightSpec, precision: Precision, fileDtypeOf: FileDtypeOf): StoredTensor[] {
  const store = (role: StoredRole, dtype: DType, ...shape: readonly number[]): StoredTensor => ({
    name: storedName(spec, role),
    spec,
    role,
    dtype,
    shape,
    byteLength: shape.reduce((product, size) => product * size, dtypeBytes[dtype]),
  });
  switch (spec.kind) {
    case 'norm':
      return [store('dense', precision.residual, spec.size)];
    case 'embedding': {
      if (isStoredQuantized(spec, precision)) {
        const rowBytes = (spec.width * quantizedBits[precision.weights]) / 8;
        return [store('values', 'u8', spec.rows, rowBytes), store('scales', precision.activations, spec.rows, spec.width / precision.blockSize)];
      }
      const dtypes: Readonly<Record<Precision['embedding'], DType>> = { file: fileDtypeOf(spec.source.tensor), quantized: precision.activations, f16: 'f16', bf16: 'bf16', f32: 'f32' };
      return [store('dense', dtypes[precision.embedding], spec.rows, spec.width)];
    }
    case 'linear': {
      const bias = spec.biasSources.length === 0 ? [] : [store('bias', precision.activations, spec.outFeatures)];
      if (!isStoredQuantized(spec, precision)) {
        return [store('dense', precision.activations, spec.outFeatures, spec.inFeatures), ...bias];
      }
      const bits = quantizedBits[precision.weights];
      const blocks = Math.ceil(spec.inFeatures / precision.blockSize);
      return [
        store('values', 'u8', spec.outFeatures, blocks, (precision.blockSize * bits) / 8),
        store('scales', precision.activations, spec.outFeatures, blocks),
        ...(precision.hasZeroPoints ? [store('zero_points', 'u8', spec.outFeatures, Math.ceil((blocks * bits) / 8))] : []),
        ...bias,
      ];
    }
  }
}

export interface StoredPlace {
  readonly offset: number;
  readonly byteLength: number;
}

/** Offsets in one file: in the given order, each tensor at a multiple of a page, so that its pages are its own. */
export function layOutStoredTensors(tensors: readonly StoredTensor[], startOffset: number): { readonly places: ReadonlyMap<string, StoredPlace>; readonly endOffset: number } {
  const pageBytes = 4096;
  const smallAlignment = 64;
  const places = new Map<string, StoredPlace>();
  let offset = startOffset;
  for (const { name, byteLength } of tensors) {
    const alignment = byteLength >= pageBytes ? pageBytes : smallAlignment;
    offset = Math.ceil(offset / alignment) * alignment;
    places.set(name, { offset, byteLength });
    offset += byteLength;
  }
  return { places, endOffset: offset };
}
