/**
 * How each weight is held: which tensors it becomes in a packed file or on a device, with dtype, shape and bytes.
 *
 * Pure arithmetic: the same list serves the packer, the graph, the memory estimate and the loader, so they cannot disagree.
 */

import { dtypeBytes, type DType } from '../common/dtype';
import type { Precision } from './precision';
import { isQuantized } from './precision';
import type { WeightSpec } from './weightSpecs';

/** `dense`: the elements. `values`, `scales`: block-quantised. `bias`: of a linear layer. */
export type StoredRole = 'dense' | 'values' | 'scales' | 'bias';

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
      if (precision.embedding === 'quantized' && isQuantized(precision.weights)) {
        const bits = quantizedBits[precision.weights];
        const blocks = Math.ceil(spec.width / precision.blockSize);
        return [store('values', 'u8', spec.rows, (blocks * precision.blockSize * bits) / 8), store('scales', precision.activations, spec.rows, blocks)];
      }
      const dtype = precision.embedding === 'file' || precision.embedding === 'quantized' ? fileDtypeOf(spec.source.tensor) : precision.embedding;
      return [store('dense', dtype, spec.rows, spec.width)];
    }
    case 'linear': {
      const bias = spec.biasSources.length === 0 ? [] : [store('bias', precision.activations, spec.outFeatures)];
      if (!isQuantized(precision.weights)) {
        return [store('dense', precision.activations, spec.outFeatures, spec.inFeatures), ...bias];
      }
      const bits = quantizedBits[precision.weights];
      const blocks = Math.ceil(spec.inFeatures / precision.blockSize);
      return [
        store('values', 'u8', spec.outFeatures, blocks, (precision.blockSize * bits) / 8),
        store('scales', precision.activations, spec.outFeatures, blocks),
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
