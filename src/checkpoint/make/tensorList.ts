/** The tensors of a made checkpoint and how their values are drawn. */

import type { ModelShape } from './shapes';

/** Normally distributed values. */
export interface MadeTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly mean: number;
  readonly std: number;
}

/**
 * In the order of the layers. Scales keep numbers tame in half precision at any depth: projections back into the residual stream get 1/√(2·layers)
 * of the usual spread, so that hidden states grow no further than in a trained model, and logits come out with a spread of about 1.
 */
export function tensorsOf(shape: ModelShape): readonly MadeTensor[] {
  const { hiddenSize, intermediateSize, numLayers, numHeads, numKvHeads, headDim, vocabSize } = shape;
  const spread = 1 / Math.sqrt(hiddenSize);
  const matrix = (name: string, rows: number, columns: number, std = spread): MadeTensor => ({ name: `${name}.weight`, shape: [rows, columns], mean: 0, std });
  const norm = (name: string): MadeTensor => ({ name: `${name}.weight`, shape: [hiddenSize], mean: 1, std: 0.05 });
  const bias = (name: string, size: number): MadeTensor => ({ name: `${name}.bias`, shape: [size], mean: 0, std: 0.02 });
  const back = spread / Math.sqrt(2 * numLayers);
  const layer = (prefix: string): readonly MadeTensor[] => {
    const projection = (kind: 'q' | 'k' | 'v', heads: number): readonly MadeTensor[] => {
      const name = `${prefix}.self_attn.${kind}_proj`;
      return [matrix(name, heads * headDim, hiddenSize), ...(shape.qkvBias ? [bias(name, heads * headDim)] : [])];
    };
    return [
      norm(`${prefix}.input_layernorm`),
      ...projection('q', numHeads),
      ...projection('k', numKvHeads),
      ...projection('v', numKvHeads),
      matrix(`${prefix}.self_attn.o_proj`, hiddenSize, numHeads * headDim, back),
      norm(`${prefix}.post_attention_layernorm`),
      ...(shape.architecture === 'glm4' ? [norm(`${prefix}.post_self_attn_layernorm`), norm(`${prefix}.post_mlp_layernorm`)] : []),
      matrix(`${prefix}.mlp.gate_up_proj`, 2 * intermediateSize, hiddenSize),
      matrix(`${prefix}.mlp.down_proj`, hiddenSize, intermediateSize, back),
    ];
  };
  return [
    matrix('model.embed_tokens', vocabSize, hiddenSize, shape.tiedEmbeddings ? spread : 1),
    ...Array.from({ length: numLayers }, (_, layerIndex) => layer(`model.layers.${layerIndex}`)).flat(),
    norm('model.norm'),
    ...(shape.tiedEmbeddings ? [] : [matrix('lm_head', vocabSize, hiddenSize)]),
  ];
}
