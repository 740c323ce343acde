/** A linear layer and the token embedding, in whatever form the weights are held. */

import type { GraphValue } from '../onnx/graphValue';
import { addAdd, addCast, addGather, addGatherBlockQuantized, addGemmTransposed, addMatMulNBits, addMatMulTransposed } from '../onnx/operators';
import type { LayerContext } from './layerContext';
import type { EmbeddingSpec, LinearSpec } from './weightSpecs';

/** x · wᵀ + bias: `activations[b, s, in]` → `activations[b, s, out]`. */
export function addLinear(ctx: Pick<LayerContext, 'graph' | 'precision' | 'weights'>, path: string, x: GraphValue, spec: LinearSpec): GraphValue {
  const { graph, precision, weights } = ctx;
  const weight = weights.linear(spec);
  if (weight.kind === 'quantized') {
    return addMatMulNBits(graph, path, x, weight.weight, weight.bias, precision.accuracyLevel);
  }
  const addProduct = precision.denseOperator === 'Gemm' ? addGemmTransposed : addMatMulTransposed;
  return weight.bias === undefined ? addProduct(graph, path, x, weight.weight) : addAdd(graph, `${path}/bias`, addProduct(graph, path, x, weight.weight), weight.bias);
}

/** Token ids `int[b, s]` → `residual[b, s, hiddenSize]`. */
export function addEmbedding(ctx: Pick<LayerContext, 'graph' | 'precision' | 'weights'>, path: string, ids: GraphValue, spec: EmbeddingSpec): GraphValue {
  const { graph, precision, weights } = ctx;
  const embedding = weights.embedding(spec);
  const rows = embedding.kind === 'quantized' ? addGatherBlockQuantized(graph, path, embedding.table, ids) : addGather(graph, path, embedding.table, ids);
  return addCast(graph, `${path}/cast`, rows, precision.residual);
}
