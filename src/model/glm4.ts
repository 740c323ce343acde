/** GLM-4-0414 and GLM-Z1 (`glm4`): four norms per layer, around each block. */

import { addCachedAttention } from './attention';
import type { SelectPositions } from './glm';
import { addStreamNorm, addToStream, type LayerContext, type ResidualStream } from './layerContext';
import { addLinear } from './linear';
import { addGatedMlp } from './mlp';
import type { LayerWeightSpecs, NormSpec } from './weightSpecs';

/**
 * Appends one GLM-4-0414 decoder layer.
 *
 * Sandwich norms: x += postSelfAttentionNorm(attn(inputNorm(x))), then x += postMlpNorm(mlp(preMlpNorm(x))).
 * Mind the checkpoint name: `post_attention_layernorm` is the norm before the MLP.
 *
 * @param layerIndex  Index in the whole model, not in the stage.
 * @param select      In the last layer: drops positions that no later computation needs.
 * @see transformers models/glm4/modular_glm4.py, Glm4DecoderLayer
 */
export function addGlm4Layer(ctx: LayerContext, stream: ResidualStream, layer: LayerWeightSpecs, layerIndex: number, select: SelectPositions): ResidualStream {
  const path = `/layers.${layerIndex}`;
  const input = addStreamNorm(ctx, `${path}/input_norm`, stream, layer.inputNorm);
  const attended = select(`${path}/attn/selected`, addCachedAttention(ctx, `${path}/attn`, input.normed, layer.qkv, layerIndex));
  const residual = select(`${path}/selected`, input.stream.residual);
  const projected = addLinear(ctx, `${path}/attn/output`, attended, layer.attentionOutput);
  const afterAttention = addToStream(ctx, `${path}/post_self_attn_norm`, residual, projected, layer.postSelfAttentionNorm as NormSpec);
  const middle = addStreamNorm(ctx, `${path}/pre_mlp_norm`, afterAttention, layer.preMlpNorm);
  const mlp = addGatedMlp(ctx, `${path}/mlp`, middle.normed, layer.gateUp, layer.down);
  return addToStream(ctx, `${path}/post_mlp_norm`, middle.stream.residual, mlp, layer.postMlpNorm as NormSpec);
}
