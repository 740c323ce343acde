/** Self-attention with grouped heads, rotary embedding and a KV cache that is written in place. */

import type { GraphBuilder } from '../onnx/graphBuilder';
import { assertDtype, assertShape, GraphError, type GraphValue } from '../onnx/graphValue';
import type { LayerContext } from './layerContext';
import { addLinear } from './linear';
import type { LinearSpec } from './weightSpecs';

/** Names under which a layer's cache is bound. `past` and `present` are bound to the same memory. */
export function kvNames(layerIndex: number): { readonly pastKey: string; readonly pastValue: string; readonly presentKey: string; readonly presentValue: string } {
  return {
    pastKey: `past.${layerIndex}.key`,
    pastValue: `past.${layerIndex}.value`,
    presentKey: `present.${layerIndex}.key`,
    presentValue: `present.${layerIndex}.value`,
  };
}

/**
 * Attention over `x` and what the cache holds: `activations[b, s, hiddenSize]` → `activations[b, s, numHeads · headDim]`, before the output projection.
 *
 * The cache is `kv[b, numKvHeads, contextTokens, headDim]`; rows may have different lengths, told by `seqlens_k`. With s > 1 and a non-empty past, b is 1.
 *
 * @param layerIndex  Index in the whole model; selects the cache's names.
 */
export function addCachedAttention(ctx: LayerContext, path: string, x: GraphValue, qkv: LinearSpec, layerIndex: number): GraphValue {
  const { graph, config, precision, contextTokens } = ctx;
  const packed = addLinear(ctx, `${path}/qkv`, x, qkv);
  const names = kvNames(layerIndex);
  const cacheShape = ['b', config.numKvHeads, contextTokens, config.headDim];
  const pastKey = graph.addInput(names.pastKey, precision.kv, cacheShape);
  const pastValue = graph.addInput(names.pastValue, precision.kv, cacheShape);
  const scales = precision.kv === 'i8' ? addKvScales(ctx, layerIndex) : undefined;
  const { output, presentKey, presentValue } = addGroupQueryAttention(graph, path, { packed, pastKey, pastValue, scales, ...ctx.attention }, config, [names.presentKey, names.presentValue]);
  graph.addOutput(presentKey);
  graph.addOutput(presentValue);
  return output;
}

const perChannel = { k_quant_type: { text: 'PER_CHANNEL' }, v_quant_type: { text: 'PER_CHANNEL' }, kv_cache_bit_width: { int: 8 } } as const;

/** f32[numKvHeads · headDim] of keys and of values, as constants: the runtime quantises what is new with them and never looks for better ones. */
function addKvScales({ graph, config, kvScales }: LayerContext, layerIndex: number): readonly [GraphValue, GraphValue] {
  const scales = kvScales?.[layerIndex];
  if (scales === undefined) {
    throw new GraphError(`/layers.${layerIndex}/attn`, 'a cache of eight bits needs the scales of its keys and values.');
  }
  const shape = [config.numKvHeads * config.headDim];
  return [graph.addInitializer(`past.${layerIndex}.key_scale`, 'f32', shape, scales.key), graph.addInitializer(`past.${layerIndex}.value_scale`, 'f32', shape, scales.value)];
}

/** The runtime's operator: query, key and value packed in one input, rotated inside, in interleaved pairs as all GLM-4 models do. */
function addGroupQueryAttention(
  graph: GraphBuilder,
  name: string,
  inputs: { readonly packed: GraphValue; readonly pastKey: GraphValue; readonly pastValue: GraphValue; readonly scales?: readonly [GraphValue, GraphValue] } & LayerContext['attention'],
  heads: { readonly numHeads: number; readonly numKvHeads: number; readonly headDim: number; readonly rotaryDim: number },
  presentNames: readonly [string, string],
): { readonly output: GraphValue; readonly presentKey: GraphValue; readonly presentValue: GraphValue } {
  const { packed, pastKey, pastValue, scales, seqlensK, totalSequenceLength, cos, sin } = inputs;
  const { numHeads, numKvHeads, headDim, rotaryDim } = heads;
  if (numHeads % numKvHeads !== 0 || headDim % 8 !== 0) {
    throw new GraphError(name, `${numHeads}/${numKvHeads} heads of ${headDim} do not suit the kernel.`);
  }
  assertShape(name, packed, [undefined, undefined, (numHeads + 2 * numKvHeads) * headDim]);
  assertDtype(name, pastKey, scales === undefined ? packed.dtype : 'i8');
  assertDtype(name, seqlensK, 'i32');
  assertDtype(name, totalSequenceLength, 'i32');
  for (const table of [cos, sin]) {
    assertDtype(name, table, packed.dtype);
    assertShape(name, table, [undefined, rotaryDim / 2]);
  }
  const [output, presentKey, presentValue] = graph.addNode({
    domain: 'com.microsoft',
    operator: 'GroupQueryAttention',
    name,
    inputs: [packed, undefined, undefined, pastKey, pastValue, seqlensK, totalSequenceLength, cos, sin, ...(scales === undefined ? [] : [undefined, undefined, undefined, ...scales])],
    attributes: { num_heads: { int: numHeads }, kv_num_heads: { int: numKvHeads }, do_rotary: { int: 1 }, rotary_interleaved: { int: 1 }, ...(scales === undefined ? {} : perChannel) },
    outputs: [
      { dtype: packed.dtype, shape: [...packed.shape.slice(0, -1), numHeads * headDim] },
      { dtype: pastKey.dtype, shape: pastKey.shape, name: presentNames[0] },
      { dtype: pastValue.dtype, shape: pastValue.shape, name: presentNames[1] },
    ],
  });
  return { output: output as GraphValue, presentKey: presentKey as GraphValue, presentValue: presentValue as GraphValue };
}
