/** GLM (`glm`: glm-4-9b-chat-hf, glm-edge; `chatglm`: the same network under the first release's names): two norms per layer, before each block. */

import type { GraphValue } from '../onnx/graphValue';
import { addCachedAttention } from './attention';
import { addStreamNorm, type LayerContext, type ResidualStream } from './layerContext';
import { addLinear } from './linear';
import { addGatedMlp } from './mlp';
import type { LayerWeightSpecs } from './weightSpecs';

/** Keeps only the positions whose logits are wanted; used in the last layer once keys and values are stored. */
export type SelectPositions = (name: string, x: GraphValue) => GraphValue;

/**
 * Appends one GLM decoder layer: x += attn(inputNorm(x)), then x += mlp(preMlpNorm(x)).
 * Mind the checkpoint name: `post_attention_layernorm` is the norm before the MLP.
 *
 * @param layerIndex  Index in the whole model, not in the stage.
 * @param select      In the last layer: drops positions that no later computation needs.
 * @see transformers models/glm/modular_glm.py, GlmDecoderLayer
 */
export function addGlmLayer(ctx: LayerContext, stream: ResidualStream, layer: LayerWeightSpecs, layerIndex: number, select: SelectPositions): ResidualStream {
  const path = `/layers.${layerIndex}`;
  const input = addStreamNorm(ctx, `${path}/input_norm`, stream, layer.inputNorm);
  const attended = select(`${path}/attn/selected`, addCachedAttention(ctx, `${path}/attn`, input.normed, layer.qkv, layerIndex));
  const residual = select(`${path}/selected`, input.stream.residual);
  const projected = addLinear(ctx, `${path}/attn/output`, attended, layer.attentionOutput);
  const middle = addStreamNorm(ctx, `${path}/pre_mlp_norm`, { residual, pending: projected }, layer.preMlpNorm);
  return { residual: middle.stream.residual, pending: addGatedMlp(ctx, `${path}/mlp`, middle.normed, layer.gateUp, layer.down) };
}
