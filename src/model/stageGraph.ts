/** Cuts a model into stages: the graph of one contiguous run of layers, from token ids or hidden states to hidden states or logits. */

import type { StagePlacement } from '../common/placement';
import { GraphBuilder } from '../onnx/graphBuilder';
import type { GraphValue } from '../onnx/graphValue';
import { addAdd, addCast, addSliceFrom } from '../onnx/operators';
import type { GlmConfig } from './config';
import { addGlmLayer, type SelectPositions } from './glm';
import { addGlm4Layer } from './glm4';
import { GraphWeights, type WeightSource } from './graphWeights';
import { encodeFloats } from './halfFloat';
import type { KvScales } from './kvScales';
import { addStreamNorm, settleStream, type LayerContext, type ResidualStream } from './layerContext';
import { addEmbedding, addLinear } from './linear';
import type { FloatDType, Precision } from './precision';
import { rotaryTable } from './rope';
import type { FileDtypeOf, StoredTensor } from './storedTensors';
import { modelWeightSpecs, type LayerWeightSpecs } from './weightSpecs';

/** The layers of a stage: `firstLayer` up to but without `endLayer`, and which ends of the model come with them. */
export type StageRange = Pick<StagePlacement, 'firstLayer' | 'endLayer' | 'hasEmbedding' | 'hasHead'>;

/** Names that a caller binds; the cache's are those of {@link kvNames}. */
export const stageNames = {
  /** ids[b, s] of the first stage. */
  inputIds: 'input_ids',
  /** residual[b, s, hiddenSize] of every other stage. */
  hiddenIn: 'hidden_in',
  /** i32[b]: valid positions after this step, less one. */
  seqlensK: 'seqlens_k',
  /** i32[], host memory: valid positions after this step of the longest row. No input of a stage that counts positions itself. */
  totalSequenceLength: 'total_sequence_length',
  /** i64[1], host memory, last stage: the first position whose logits are wanted; -1 is the last one, 0 all. */
  logitsFrom: 'logits_from',
  /** residual[b, s, hiddenSize] of every stage but the last. */
  hiddenOut: 'hidden_out',
  /** f32[b, p, vocabSize] of the last stage. */
  logits: 'logits',
  /** i32[b], only on request: {@link seqlensK} of the step after. */
  nextSeqlensK: 'next_seqlens_k',
} as const;

export interface StageGraph {
  readonly graph: GraphBuilder;
  /** The weights the stage uses, in order of use; graph inputs when the source is `inputs`. */
  readonly stored: readonly StoredTensor[];
}

/**
 * Builds the graph of one stage. Pure: weights are named and located, never read.
 *
 * @param contextTokens  Positions of the cache; the rotary table has as many rows.
 * @param fileDtypeOf    Dtype of a checkpoint tensor; the embedding may be kept in it.
 * @param hiddenInDtype  The residual dtype of the stage before, where it has another precision.
 * @param options        `countsPositions` adds the output {@link stageNames.nextSeqlensK}, so that a replayed step finds its position on the device, and computes the total
 *                       length there: a step is then one sequence, and attention looks at no more positions than are valid;
 *                       `kvScales` are those of a cache of eight bits;
 *                       `hasCpuNode` sends the residual through a node that changes nothing and that no GPU provider has; for debugging.
 */
export function buildStageGraph(
  config: GlmConfig,
  range: StageRange,
  precision: Precision,
  source: WeightSource,
  contextTokens: number,
  fileDtypeOf: FileDtypeOf,
  hiddenInDtype: FloatDType = precision.residual,
  options: { readonly countsPositions?: boolean; readonly kvScales?: KvScales; readonly hasCpuNode?: boolean } = {},
): StageGraph {
  const graph = new GraphBuilder(`${config.architecture} layers ${range.firstLayer}-${range.endLayer - 1}`);
  const weights = new GraphWeights(graph, precision, source, fileDtypeOf);
  const specs = modelWeightSpecs(config);
  const shape = ['b', 's', config.hiddenSize];
  const ids = range.hasEmbedding ? graph.addInput(stageNames.inputIds, precision.ids, ['b', 's']) : undefined;
  const hiddenIn = ids === undefined ? graph.addInput(stageNames.hiddenIn, hiddenInDtype, shape) : undefined;
  const attention = addAttentionInputs(graph, config, precision, contextTokens, options.countsPositions === true);
  const ctx: LayerContext = { graph, config, precision, weights, attention: attention.inputs, contextTokens, kvScales: options.kvScales };
  const select = range.hasHead ? addPositionSelector(graph) : undefined;

  const residual = hiddenIn === undefined ? addEmbedding(ctx, '/embedding', ids as GraphValue, specs.embedding) : addCast(graph, '/hidden_in/cast', hiddenIn, precision.residual);
  let stream: ResidualStream = { residual: options.hasCpuNode === true ? addCpuOnlyIdentity(graph, residual) : residual };
  const addLayer = config.architecture === 'glm4' ? addGlm4Layer : addGlmLayer;
  for (let layerIndex = range.firstLayer; layerIndex < range.endLayer; layerIndex += 1) {
    const isLast = layerIndex === config.numLayers - 1;
    stream = addLayer(ctx, stream, specs.layers[layerIndex] as LayerWeightSpecs, layerIndex, isLast && select !== undefined ? select : keepAll);
  }
  if (range.hasHead) {
    const { normed } = addStreamNorm(ctx, '/final_norm', stream, specs.finalNorm);
    const rows = range.endLayer > range.firstLayer ? normed : (select as SelectPositions)('/selected', normed);
    const logits = addLinear(ctx, '/lm_head', rows, specs.head);
    graph.addOutput(graph.addSingle({ operator: 'Cast', name: stageNames.logits, inputs: [logits], attributes: { to: { int: 1 } }, outputs: [{ dtype: 'f32', shape: logits.shape }] }));
  } else {
    const settled = settleStream(ctx, stageNames.hiddenOut, stream);
    graph.addOutput(settled.name === stageNames.hiddenOut ? settled : graph.addSingle({ operator: 'Identity', name: stageNames.hiddenOut, inputs: [settled], outputs: [{ dtype: settled.dtype, shape: settled.shape }] }));
  }
  if (attention.nextSeqlensK !== undefined) {
    graph.addOutput(attention.nextSeqlensK);
  }
  return { graph, stored: weights.stored };
}

/** The mean of one tensor is that tensor. The runtime computes it on the CPU only, and only in f32. */
function addCpuOnlyIdentity(graph: GraphBuilder, x: GraphValue): GraphValue {
  const wide = addCast(graph, '/debug/cast_in', x, 'f32');
  const mean = graph.addSingle({ operator: 'Mean', name: '/debug/mean', inputs: [wide], outputs: [{ dtype: 'f32', shape: wide.shape }] });
  return addCast(graph, '/debug/cast_out', mean, x.dtype);
}

const keepAll: SelectPositions = (_, x) => x;

function addAttentionInputs(
  graph: GraphBuilder,
  config: GlmConfig,
  precision: Precision,
  contextTokens: number,
  countsPositions: boolean,
): { readonly inputs: LayerContext['attention']; readonly nextSeqlensK?: GraphValue } {
  const { cos, sin } = rotaryTable(config, contextTokens);
  const tableShape = [contextTokens, config.rotaryDim / 2];
  const seqlensK = graph.addInput(stageNames.seqlensK, 'i32', ['b']);
  // Valid positions of one sequence after a step are what seqlens_k is in the step after.
  const nextSeqlensK = countsPositions ? addAdd(graph, stageNames.nextSeqlensK, seqlensK, graph.addInitializer('position.step', 'i32', [], Int32Array.of(1))) : undefined;
  const inputs = {
    seqlensK,
    totalSequenceLength: nextSeqlensK ?? graph.addInput(stageNames.totalSequenceLength, 'i32', []),
    cos: graph.addInitializer('rope.cos', precision.activations, tableShape, encodeFloats(cos, precision.activations)),
    sin: graph.addInitializer('rope.sin', precision.activations, tableShape, encodeFloats(sin, precision.activations)),
  };
  return { inputs, nextSeqlensK };
}

/** After the last layer's keys and values are stored, only the positions whose logits are wanted go on. */
function addPositionSelector(graph: GraphBuilder): SelectPositions {
  const starts = graph.addInput(stageNames.logitsFrom, 'i64', [1]);
  const ends = graph.addInitializer('positions.end', 'i64', [1], BigInt64Array.of(0x7fffffffffffffffn));
  const axes = graph.addInitializer('positions.axis', 'i64', [1], BigInt64Array.of(1n));
  return (name, x) => addSliceFrom(graph, name, x, starts, ends, axes, 'p');
}

