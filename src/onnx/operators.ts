/**
 * Typed helpers for the operators in use: each checks its operands' dtypes and shapes on creation and works out its result's.
 *
 * @see onnx/docs/Operators.md and onnxruntime/docs/ContribOperators.md for the meaning of each
 */

import { onnxElementTypes, type DType } from '../common/dtype';
import { ownDomain, type GraphBuilder } from './graphBuilder';
import { assertDtype, assertShape, describeValueType, GraphError, lastDim, type Dim, type GraphValue } from './graphValue';

const microsoft = 'com.microsoft';
const floats = ['f32', 'f16', 'bf16'] as const;

/** Rows of a table by index: `dtype[rows, width]` and `int[b, s]` give `dtype[b, s, width]`. */
export function addGather(graph: GraphBuilder, name: string, table: GraphValue, indices: GraphValue): GraphValue {
  assertDtype(name, indices, 'i32', 'i64');
  assertShape(name, table, [undefined, undefined]);
  return graph.addSingle({ operator: 'Gather', name, inputs: [table, indices], outputs: [{ dtype: table.dtype, shape: [...indices.shape, lastDim(name, table)] }] });
}

/** As {@link addGather} from a block-quantised table: `u8[rows, width · bits / 8]`, one scale per `blockSize` elements of a row. */
export function addGatherBlockQuantized(
  graph: GraphBuilder,
  name: string,
  table: { readonly values: GraphValue; readonly scales: GraphValue; readonly bits: 4 | 8; readonly blockSize: number },
  indices: GraphValue,
): GraphValue {
  assertDtype(name, table.values, 'u8');
  assertDtype(name, indices, 'i32', 'i64');
  const width = (lastDim(name, table.values) * 8) / table.bits;
  assertShape(name, table.scales, [table.values.shape[0], Math.ceil(width / table.blockSize)]);
  return graph.addSingle({
    domain: microsoft,
    operator: 'GatherBlockQuantized',
    name,
    inputs: [table.values, indices, table.scales],
    attributes: { gather_axis: { int: 0 }, quantize_axis: { int: 1 }, block_size: { int: table.blockSize }, bits: { int: table.bits } },
    outputs: [{ dtype: table.scales.dtype, shape: [...indices.shape, width] }],
  });
}

/** The same value when it has the dtype already. */
export function addCast(graph: GraphBuilder, name: string, x: GraphValue, dtype: DType): GraphValue {
  return x.dtype === dtype ? x : graph.addSingle({ operator: 'Cast', name, inputs: [x], attributes: { to: { int: onnxElementTypes[dtype] } }, outputs: [{ dtype, shape: x.shape }] });
}

function addElementwise(graph: GraphBuilder, operator: 'Add' | 'Mul', name: string, a: GraphValue, b: GraphValue): GraphValue {
  assertDtype(name, b, a.dtype);
  const tail = a.shape.slice(a.shape.length - b.shape.length);
  if (b.shape.length > a.shape.length || !b.shape.every((dim, index) => dim === tail[index])) {
    throw new GraphError(name, `${describeValueType(b)} does not spread over ${describeValueType(a)}.`);
  }
  return graph.addSingle({ operator, name, inputs: [a, b], outputs: [{ dtype: a.dtype, shape: a.shape }] });
}

/** Elementwise; `b` may lack leading dimensions. */
export function addAdd(graph: GraphBuilder, name: string, a: GraphValue, b: GraphValue): GraphValue {
  return addElementwise(graph, 'Add', name, a, b);
}

/** Elementwise; `b` may lack leading dimensions. */
export function addMul(graph: GraphBuilder, name: string, a: GraphValue, b: GraphValue): GraphValue {
  return addElementwise(graph, 'Mul', name, a, b);
}

/** x · sigmoid(x). QuickGelu with alpha 1 is that in one kernel. */
export function addSilu(graph: GraphBuilder, name: string, x: GraphValue): GraphValue {
  assertDtype(name, x, ...floats);
  return graph.addSingle({ domain: microsoft, operator: 'QuickGelu', name, inputs: [x], attributes: { alpha: { float: 1 } }, outputs: [{ dtype: x.dtype, shape: x.shape }] });
}

/** silu(a) · b of the two halves of the last dimension in one pass; an operator of ours, which the session must be given. */
export const gatedSiluOperator = 'GatedSilu';
export function addGatedSilu(graph: GraphBuilder, name: string, x: GraphValue): GraphValue {
  assertDtype(name, x, ...floats);
  const width = lastDim(name, x);
  if (width % 2 !== 0) {
    throw new GraphError(name, `${describeValueType(x)} has no halves.`);
  }
  return graph.addSingle({ domain: ownDomain, operator: gatedSiluOperator, name, inputs: [x], outputs: [{ dtype: x.dtype, shape: [...x.shape.slice(0, -1), width / 2] }] });
}

/** `sum` = residual + RMSNorm(x) · outputWeight, `normed` = RMSNorm(sum) · nextWeight; an operator of ours, whose epsilon the session knows. */
export const sandwichNormOperator = 'SandwichNorm';
export function addSandwichNorm(
  graph: GraphBuilder,
  name: string,
  x: GraphValue,
  residual: GraphValue,
  weights: { readonly output: GraphValue; readonly next: GraphValue },
  sumName: string,
): { readonly normed: GraphValue; readonly sum: GraphValue } {
  assertDtype(name, x, ...floats);
  assertDtype(name, residual, x.dtype);
  assertShape(name, residual, x.shape);
  for (const weight of [weights.output, weights.next]) {
    assertDtype(name, weight, x.dtype);
    assertShape(name, weight, [lastDim(name, x)]);
  }
  const like = { dtype: x.dtype, shape: x.shape };
  const [normed, sum] = graph.addNode({ domain: ownDomain, operator: sandwichNormOperator, name, inputs: [x, residual, weights.output, weights.next], outputs: [like, { ...like, name: sumName }] });
  return { normed: normed as GraphValue, sum: sum as GraphValue };
}

/** RMSNorm(x) · weight, summed in the same order as {@link addSandwichNorm} does, so that it does not matter where a model is cut. */
export const streamNormOperator = 'StreamNorm';
export function addOwnStreamNorm(graph: GraphBuilder, name: string, x: GraphValue, weight: GraphValue): GraphValue {
  assertDtype(name, weight, x.dtype);
  assertShape(name, weight, [lastDim(name, x)]);
  return graph.addSingle({ domain: ownDomain, operator: streamNormOperator, name, inputs: [x, weight], outputs: [{ dtype: x.dtype, shape: x.shape }] });
}

/** Two equal halves of the last dimension. */
export function addSplitHalves(graph: GraphBuilder, name: string, x: GraphValue, names: readonly [string, string]): [GraphValue, GraphValue] {
  const width = lastDim(name, x);
  if (width % 2 !== 0) {
    throw new GraphError(name, `${describeValueType(x)} has no halves.`);
  }
  const half = { dtype: x.dtype, shape: [...x.shape.slice(0, -1), width / 2] };
  const [first, second] = graph.addNode({
    operator: 'Split',
    name,
    inputs: [x],
    attributes: { axis: { int: -1 }, num_outputs: { int: 2 } },
    outputs: [
      { ...half, name: names[0] },
      { ...half, name: names[1] },
    ],
  });
  return [first as GraphValue, second as GraphValue];
}

/** x[:, starts:] along dimension 1; `starts` is `i64[1]` in host memory and may be negative. `dim` names what is left. */
export function addSliceFrom(graph: GraphBuilder, name: string, x: GraphValue, starts: GraphValue, ends: GraphValue, axes: GraphValue, dim: Dim): GraphValue {
  for (const index of [starts, ends, axes]) {
    assertDtype(name, index, 'i64');
    assertShape(name, index, [1]);
  }
  const shape = x.shape.map((size, index) => (index === 1 ? dim : size));
  return graph.addSingle({ operator: 'Slice', name, inputs: [x, starts, ends, axes], outputs: [{ dtype: x.dtype, shape }] });
}

/** RMSNorm over the last dimension: x · rsqrt(mean(x²) + epsilon) · weight, with the mean in f32. */
export function addRmsNorm(graph: GraphBuilder, name: string, x: GraphValue, weight: GraphValue, epsilon: number): GraphValue {
  assertDtype(name, x, ...floats);
  assertDtype(name, weight, x.dtype);
  assertShape(name, weight, [lastDim(name, x)]);
  return graph.addSingle({
    operator: 'SimplifiedLayerNormalization',
    name,
    inputs: [x, weight],
    attributes: { axis: { int: -1 }, epsilon: { float: epsilon }, stash_type: { int: 1 } },
    outputs: [{ dtype: x.dtype, shape: x.shape }],
  });
}

/** `sum` = x + skip and `normed` = RMSNorm(sum), in one kernel. The runtime does not fuse the two where the sum lives on, so we do. */
export function addSkipRmsNorm(
  graph: GraphBuilder,
  name: string,
  x: GraphValue,
  skip: GraphValue,
  weight: GraphValue,
  epsilon: number,
  sumName: string,
): { readonly normed: GraphValue; readonly sum: GraphValue } {
  assertDtype(name, x, ...floats);
  assertDtype(name, skip, x.dtype);
  assertShape(name, skip, x.shape);
  assertDtype(name, weight, x.dtype);
  assertShape(name, weight, [lastDim(name, x)]);
  const like = { dtype: x.dtype, shape: x.shape };
  const [normed, , , sum] = graph.addNode({
    domain: microsoft,
    operator: 'SkipSimplifiedLayerNormalization',
    name,
    inputs: [x, skip, weight],
    attributes: { epsilon: { float: epsilon } },
    outputs: [like, undefined, undefined, { ...like, name: sumName }],
  });
  return { normed: normed as GraphValue, sum: sum as GraphValue };
}

/** x · wᵀ with `w` as checkpoints store it: `dtype[out, in]`. */
export function addMatMulTransposed(graph: GraphBuilder, name: string, x: GraphValue, w: GraphValue): GraphValue {
  assertDtype(name, x, ...floats);
  assertDtype(name, w, x.dtype);
  assertShape(name, w, [undefined, lastDim(name, x)]);
  return graph.addSingle({
    domain: microsoft,
    operator: 'FusedMatMul',
    name,
    inputs: [x, w],
    attributes: { transB: { int: 1 } },
    outputs: [{ dtype: x.dtype, shape: [...x.shape.slice(0, -1), w.shape[0] as Dim] }],
  });
}

/** x · wᵀ where FusedMatMul is missing (WebGPU): the leading dimensions are folded for Gemm and unfolded again. */
export function addGemmTransposed(graph: GraphBuilder, name: string, x: GraphValue, w: GraphValue): GraphValue {
  assertDtype(name, x, 'f32', 'f16');
  assertDtype(name, w, x.dtype);
  const inFeatures = lastDim(name, x);
  assertShape(name, w, [undefined, inFeatures]);
  const outFeatures = w.shape[0] as number;
  const fold = graph.addInitializer(`${name}/fold_shape`, 'i64', [2], BigInt64Array.of(-1n, BigInt(inFeatures)));
  const flat = graph.addSingle({ operator: 'Reshape', name: `${name}/fold`, inputs: [x, fold], outputs: [{ dtype: x.dtype, shape: ['rows', inFeatures] }] });
  const product = graph.addSingle({
    operator: 'Gemm',
    name: `${name}/gemm`,
    inputs: [flat, w],
    attributes: { transB: { int: 1 } },
    outputs: [{ dtype: x.dtype, shape: ['rows', outFeatures] }],
  });
  const shape = graph.addSingle({ operator: 'Shape', name: `${name}/lead_shape`, inputs: [x], attributes: { start: { int: 0 }, end: { int: -1 } }, outputs: [{ dtype: 'i64', shape: [x.shape.length - 1] }] });
  const tail = graph.addInitializer(`${name}/tail_shape`, 'i64', [1], BigInt64Array.of(BigInt(outFeatures)));
  const unfold = graph.addSingle({ operator: 'Concat', name: `${name}/unfold_shape`, inputs: [shape, tail], attributes: { axis: { int: 0 } }, outputs: [{ dtype: 'i64', shape: [x.shape.length] }] });
  return graph.addSingle({ operator: 'Reshape', name, inputs: [product, unfold], outputs: [{ dtype: x.dtype, shape: [...x.shape.slice(0, -1), outFeatures] }] });
}

/** Block-quantised weights of a linear layer: `values` u8[out, blocks, blockSize · bits / 8], `scales` dtype[out, blocks]; zero points are 2^(bits − 1) unless given. */
export interface BlockQuantizedWeight {
  readonly values: GraphValue;
  readonly scales: GraphValue;
  readonly zeroPoints?: GraphValue;
  readonly bits: 4 | 8;
  readonly blockSize: number;
}

/**
 * silu(x · gateᵀ) · (x · upᵀ) with 4-bit weights in blocks of 32: one kernel for a single row, no copies of halves for more. WebGPU only.
 *
 * @see onnxruntime contrib_ops/webgpu/quantization/matmul_nbits_mlp.cc
 */
export function addMatMulNBitsMlp(graph: GraphBuilder, name: string, x: GraphValue, gate: BlockQuantizedWeight, up: BlockQuantizedWeight, accuracyLevel: 0 | 4): GraphValue {
  assertDtype(name, x, ...floats);
  const inFeatures = lastDim(name, x);
  const outFeatures = gate.values.shape[0] as number;
  for (const { values, scales, blockSize, bits } of [gate, up]) {
    assertDtype(name, values, 'u8');
    assertDtype(name, scales, x.dtype);
    assertShape(name, values, [outFeatures, Math.ceil(inFeatures / blockSize), (blockSize * bits) / 8]);
    assertShape(name, scales, [outFeatures, Math.ceil(inFeatures / blockSize)]);
  }
  return graph.addSingle({
    domain: microsoft,
    operator: 'MatMulNBitsMlp',
    name,
    // Without a norm before it, and without biases.
    inputs: [x, undefined, undefined, gate.values, gate.scales, undefined, up.values, up.scales],
    attributes: {
      K: { int: inFeatures },
      N: { int: outFeatures },
      bits: { int: gate.bits },
      block_size: { int: gate.blockSize },
      accuracy_level: { int: accuracyLevel },
      activation: { text: 'silu' },
    },
    outputs: [{ dtype: x.dtype, shape: [...x.shape.slice(0, -1), outFeatures] }],
  });
}

/**
 * x · wᵀ (+ bias) with block-quantised weights.
 *
 * @param accuracyLevel  4 lets the CPU quantise activations to int8; 0 computes in x's dtype.
 */
export function addMatMulNBits(
  graph: GraphBuilder,
  name: string,
  x: GraphValue,
  weight: BlockQuantizedWeight,
  bias: GraphValue | undefined,
  accuracyLevel: 0 | 4,
): GraphValue {
  assertDtype(name, x, ...floats);
  assertDtype(name, weight.values, 'u8');
  assertDtype(name, weight.scales, x.dtype);
  const inFeatures = lastDim(name, x);
  const outFeatures = weight.values.shape[0] as number;
  const blocks = Math.ceil(inFeatures / weight.blockSize);
  assertShape(name, weight.values, [outFeatures, blocks, (weight.blockSize * weight.bits) / 8]);
  assertShape(name, weight.scales, [outFeatures, blocks]);
  if (weight.zeroPoints !== undefined) {
    assertDtype(name, weight.zeroPoints, 'u8');
    assertShape(name, weight.zeroPoints, [outFeatures, Math.ceil((blocks * weight.bits) / 8)]);
  }
  if (bias !== undefined) {
    assertDtype(name, bias, x.dtype);
    assertShape(name, bias, [outFeatures]);
  }
  const optional = [weight.zeroPoints, undefined, bias];
  while (optional.length > 0 && optional[optional.length - 1] === undefined) {
    optional.pop();
  }
  return graph.addSingle({
    domain: microsoft,
    operator: 'MatMulNBits',
    name,
    inputs: [x, weight.values, weight.scales, ...optional],
    attributes: {
      K: { int: inFeatures },
      N: { int: outFeatures },
      bits: { int: weight.bits },
      block_size: { int: weight.blockSize },
      accuracy_level: { int: accuracyLevel },
    },
    outputs: [{ dtype: x.dtype, shape: [...x.shape.slice(0, -1), outFeatures] }],
  });
}
