/** What every block of a layer needs at hand, and the residual stream that runs through them. */

import type { GraphBuilder } from '../onnx/graphBuilder';
import type { GraphValue } from '../onnx/graphValue';
import { addAdd, addCast, addOwnStreamNorm, addRmsNorm, addSandwichNorm, addSkipRmsNorm } from '../onnx/operators';
import type { GlmConfig } from './config';
import type { GraphWeights } from './graphWeights';
import type { KvScales } from './kvScales';
import type { Precision } from './precision';
import { f16Headroom, type NormSpec } from './weightSpecs';

/** Inputs of a stage that its attention layers share. */
export interface AttentionInputs {
  /** i32[b]: valid positions after this step, less one. */
  readonly seqlensK: GraphValue;
  /** i32[] or i32[1]: valid positions after this step of the longest row; in host memory, except where steps are captured. */
  readonly totalSequenceLength: GraphValue;
  /** dtype[contextTokens, rotaryDim / 2] */
  readonly cos: GraphValue;
  readonly sin: GraphValue;
}

export interface LayerContext {
  readonly graph: GraphBuilder;
  readonly config: GlmConfig;
  readonly precision: Precision;
  readonly weights: GraphWeights;
  readonly attention: AttentionInputs;
  readonly contextTokens: number;
  /** Needed for a cache of eight bits. */
  readonly kvScales?: KvScales;
}

/** The sum that layers add to, and an addend that the next norm's kernel will take along. */
export interface ResidualStream {
  /** residual[b, s, hiddenSize] */
  readonly residual: GraphValue;
  readonly pending?: GraphValue;
  /** The norm that `pending` still has to go through before it is added; only where the session has the operator for both. */
  readonly pendingNorm?: GraphValue;
}

/** RMSNorm of the stream, in the residual's dtype, cast to the activations'; settles what was pending. */
export function addStreamNorm(ctx: LayerContext, path: string, stream: ResidualStream, norm: NormSpec): { readonly normed: GraphValue; readonly stream: ResidualStream } {
  const { graph, config, precision, weights } = ctx;
  const weight = weights.norm(norm);
  const castName = `${path}/cast`;
  if (stream.pending !== undefined && stream.pendingNorm !== undefined) {
    const { normed, sum } = addSandwichNorm(graph, path, stream.pending, stream.residual, { output: stream.pendingNorm, next: weight }, `${path}/residual`);
    return { normed, stream: { residual: sum } };
  }
  if (stream.pending === undefined && precision.hasSandwichNorm && config.architecture === 'glm4') {
    return { normed: addOwnStreamNorm(graph, path, stream.residual, weight), stream };
  }
  if (stream.pending === undefined) {
    const normed = addRmsNorm(graph, path, stream.residual, weight, config.rmsNormEpsilon);
    return { normed: addCast(graph, castName, normed, precision.activations), stream };
  }
  const pending = addCast(graph, `${path}/cast_addend`, stream.pending, precision.residual);
  const { normed, sum } = addSkipRmsNorm(graph, path, stream.residual, pending, weight, config.rmsNormEpsilon, `${path}/residual`);
  return { normed: addCast(graph, castName, normed, precision.activations), stream: { residual: sum } };
}

/**
 * RMSNorm of a block's own output before it joins the stream (GLM-4-0414's sandwich), in the residual's dtype.
 * Where the layer before was scaled down for f16's sake, epsilon shrinks by the square, which gives the same result exactly.
 */
function addOutputNorm(ctx: LayerContext, path: string, x: GraphValue, norm: NormSpec): GraphValue {
  const { graph, config, precision, weights } = ctx;
  const epsilon = precision.rescales ? config.rmsNormEpsilon / f16Headroom ** 2 : config.rmsNormEpsilon;
  return addRmsNorm(graph, path, addCast(graph, `${path}/cast`, x, precision.residual), weights.norm(norm), epsilon);
}

/** A block's output on its way into the stream, by way of its own norm. */
export function addToStream(ctx: LayerContext, path: string, residual: GraphValue, x: GraphValue, norm: NormSpec): ResidualStream {
  return ctx.precision.hasSandwichNorm ? { residual, pending: x, pendingNorm: ctx.weights.norm(norm) } : { residual, pending: addOutputNorm(ctx, path, x, norm) };
}

/** The stream as one value, `name` being what is pending added. */
export function settleStream(ctx: LayerContext, name: string, stream: ResidualStream): GraphValue {
  if (stream.pending !== undefined && stream.pendingNorm !== undefined) {
    // What follows is normed by the next stage, so any weight will do here.
    return addSandwichNorm(ctx.graph, `${name}/norm`, stream.pending, stream.residual, { output: stream.pendingNorm, next: stream.pendingNorm }, name).sum;
  }
  return stream.pending === undefined ? stream.residual : addAdd(ctx.graph, name, stream.residual, addCast(ctx.graph, `${name}/cast`, stream.pending, ctx.precision.residual));
}
