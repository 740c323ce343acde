/** Gives a model's weights to its graph: as constants in a mapped file, or as graph inputs whose memory the caller owns and several graphs share. */

import type { ExternalData, GraphBuilder } from '../onnx/graphBuilder';
import type { BlockQuantizedWeight } from '../onnx/operators';
import type { GraphValue } from '../onnx/graphValue';
import type { Precision } from './precision';
import { isStoredQuantized, quantizedBits, storedTensorsOf, type FileDtypeOf, type StoredRole, type StoredTensor } from './storedTensors';
import type { EmbeddingSpec, LinearSpec, NormSpec, WeightSpec } from './weightSpecs';

/** `initializers`: the runtime maps the file itself. `inputs`: bound by name before each run; several graphs then share one copy on a device. */
export type WeightSource = { readonly kind: 'initializers'; readonly locate: (storedName: string) => ExternalData } | { readonly kind: 'inputs' };

export type LinearWeight =
  | { readonly kind: 'dense'; readonly weight: GraphValue; readonly bias?: GraphValue }
  | { readonly kind: 'quantized'; readonly weight: BlockQuantizedWeight; readonly bias?: GraphValue };

export type EmbeddingTable = { readonly kind: 'dense'; readonly table: GraphValue } | { readonly kind: 'quantized'; readonly table: Omit<BlockQuantizedWeight, 'zeroPoints'> };

/** Declares each stored tensor in the graph on first use and remembers it. */
export class GraphWeights {
  private readonly declared = new Map<string, { readonly stored: StoredTensor; readonly value: GraphValue }>();

  constructor(
    private readonly graph: GraphBuilder,
    private readonly precision: Precision,
    private readonly source: WeightSource,
    private readonly fileDtypeOf: FileDtypeOf,
  ) {}

  /** Every stored tensor used so far, in the order of first use. */
  get stored(): readonly StoredTensor[] {
    return [...this.declared.values()].map(({ stored }) => stored);
  }

  norm(spec: NormSpec): GraphValue {
    return this.declare(spec, 'dense');
  }

  embedding(spec: EmbeddingSpec): EmbeddingTable {
    return isStoredQuantized(spec, this.precision)
      ? { kind: 'quantized', table: this.quantized(spec, this.precision.weights) }
      : { kind: 'dense', table: this.declare(spec, 'dense') };
  }

  linear(spec: LinearSpec): LinearWeight {
    const bias = spec.biasSources.length === 0 ? undefined : this.declare(spec, 'bias');
    return isStoredQuantized(spec, this.precision)
      ? { kind: 'quantized', weight: this.quantized(spec, this.precision.weights), bias }
      : { kind: 'dense', weight: this.declare(spec, 'dense'), bias };
  }

  /** The first and the second half of a linear layer's rows, where its weights are initializers without zero points and bias; undefined elsewhere. */
  linearHalves(spec: LinearSpec): readonly [BlockQuantizedWeight, BlockQuantizedWeight] | undefined {
    const { source, precision } = this;
    if (source.kind !== 'initializers' || !isStoredQuantized(spec, precision) || precision.hasZeroPoints || spec.biasSources.length > 0) {
      return undefined;
    }
    const { locate } = source;
    const halves = (role: StoredRole): readonly [GraphValue, GraphValue] => {
      const stored = storedTensorsOf(spec, precision, this.fileDtypeOf).find((each) => each.role === role);
      if (stored === undefined) {
        throw new RangeError(`${spec.id} is not held as ${role}`);
      }
      const { location, offset, byteLength } = locate(stored.name);
      const shape = [(stored.shape[0] as number) / 2, ...stored.shape.slice(1)];
      const half = (index: 0 | 1, name: string): GraphValue =>
        this.graph.addExternalInitializer(`${stored.name}.${name}`, stored.dtype, shape, { location, offset: offset + (index * byteLength) / 2, byteLength: byteLength / 2 });
      const values = [half(0, 'first'), half(1, 'second')] as const;
      this.declared.set(stored.name, { stored, value: values[0] });
      return values;
    };
    const [values, scales] = [halves('values'), halves('scales')];
    const weight = (index: 0 | 1): BlockQuantizedWeight => ({ values: values[index], scales: scales[index], bits: quantizedBits[precision.weights], blockSize: precision.blockSize });
    return [weight(0), weight(1)];
  }

  private quantized(spec: WeightSpec, weights: 'int4' | 'int8'): BlockQuantizedWeight {
    const zeroPoints = this.precision.hasZeroPoints && spec.kind === 'linear' ? this.declare(spec, 'zero_points') : undefined;
    return { values: this.declare(spec, 'values'), scales: this.declare(spec, 'scales'), zeroPoints, bits: quantizedBits[weights], blockSize: this.precision.blockSize };
  }

  private declare(spec: WeightSpec, role: StoredRole): GraphValue {
    for (const stored of storedTensorsOf(spec, this.precision, this.fileDtypeOf)) {
      if (!this.declared.has(stored.name)) {
        const value =
          this.source.kind === 'inputs'
            ? this.graph.addInput(stored.name, stored.dtype, stored.shape)
            : this.graph.addExternalInitializer(stored.name, stored.dtype, stored.shape, this.source.locate(stored.name));
        this.declared.set(stored.name, { stored, value });
      }
    }
    const found = this.declared.get(`${spec.id}.${role}`);
    if (found === undefined) {
      throw new RangeError(`${spec.id} is not held as ${role}`);
    }
    return found.value;
  }
}

