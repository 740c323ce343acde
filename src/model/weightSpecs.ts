/**
 * What weights a model has, by our names, and which checkpoint tensors they are made of. Expected shapes come from the configuration.
 *
 * One table per naming: transformers' (`glm`, `glm4`) and the remote code's (`chatglm`), whose layers are otherwise the same.
 */

import type { TensorInfo } from '../common/dtype';
import type { GlmConfig } from './config';
import { MissingTensorError, TensorDtypeError, TensorShapeError } from './modelErrors';

/** A checkpoint tensor with the shape it must have. */
export interface TensorSource {
  readonly tensor: string;
  readonly shape: readonly number[];
}

/** y = x · wᵀ + bias, `w` being the sources stacked along rows: [outFeatures, inFeatures]. */
export interface LinearSpec {
  readonly kind: 'linear';
  readonly id: string;
  readonly outFeatures: number;
  readonly inFeatures: number;
  readonly sources: readonly TensorSource[];
  readonly biasSources: readonly TensorSource[];
  /**
   * True where an RMSNorm follows at once (GLM-4-0414's sandwich), which ignores scale: the outputs can pass f16's range,
   * so an f16 profile divides the weights by {@link f16Headroom} and the norm's epsilon by its square.
   */
  readonly isRescalable: boolean;
}

export interface NormSpec {
  readonly kind: 'norm';
  readonly id: string;
  readonly size: number;
  readonly source: TensorSource;
}

/** A table with a row per token. */
export interface EmbeddingSpec {
  readonly kind: 'embedding';
  readonly id: string;
  readonly rows: number;
  readonly width: number;
  readonly source: TensorSource;
}

export type WeightSpec = LinearSpec | NormSpec | EmbeddingSpec;

export interface LayerWeightSpecs {
  readonly inputNorm: NormSpec;
  readonly qkv: LinearSpec;
  readonly attentionOutput: LinearSpec;
  /** glm4 only: on the attention's output, before the residual. */
  readonly postSelfAttentionNorm?: NormSpec;
  /** Before the MLP, whatever its checkpoint name suggests. */
  readonly preMlpNorm: NormSpec;
  /** Gate rows first, then up rows. */
  readonly gateUp: LinearSpec;
  readonly down: LinearSpec;
  /** glm4 only: on the MLP's output, before the residual. */
  readonly postMlpNorm?: NormSpec;
}

export interface ModelWeightSpecs {
  readonly embedding: EmbeddingSpec;
  readonly layers: readonly LayerWeightSpecs[];
  readonly finalNorm: NormSpec;
  /** For a tied head its source is the embedding's tensor. */
  readonly head: LinearSpec;
}

/** A power of two: exact in every dtype. 32 · 65,504 is beyond any output seen, and the scales of 4-bit weights stay normal f16 numbers. */
export const f16Headroom = 32;

/** All weights of a model, in the order a forward pass meets them. */
export function modelWeightSpecs(config: GlmConfig): ModelWeightSpecs {
  return config.architecture === 'chatglm' ? remoteCodeSpecs(config) : transformersSpecs(config);
}

/** A layer's specs in the order of use. */
export function listLayerSpecs(layer: LayerWeightSpecs): WeightSpec[] {
  const { inputNorm, qkv, attentionOutput, postSelfAttentionNorm, preMlpNorm, gateUp, down, postMlpNorm } = layer;
  return [inputNorm, qkv, attentionOutput, postSelfAttentionNorm, preMlpNorm, gateUp, down, postMlpNorm].filter((spec) => spec !== undefined);
}

/** Specs of a run of layers with what its ends bring, in the order of use. */
export function listStageSpecs(specs: ModelWeightSpecs, range: { readonly firstLayer: number; readonly endLayer: number; readonly hasEmbedding: boolean; readonly hasHead: boolean }): WeightSpec[] {
  return [
    ...(range.hasEmbedding ? [specs.embedding] : []),
    ...specs.layers.slice(range.firstLayer, range.endLayer).flatMap(listLayerSpecs),
    ...(range.hasHead ? [specs.finalNorm, specs.head] : []),
  ];
}

export function listModelSpecs(specs: ModelWeightSpecs): WeightSpec[] {
  return listStageSpecs(specs, { firstLayer: 0, endLayer: specs.layers.length, hasEmbedding: true, hasHead: true });
}

/** Every checkpoint tensor a spec is made of. */
export function listSources(spec: WeightSpec): readonly TensorSource[] {
  return spec.kind === 'linear' ? [...spec.sources, ...spec.biasSources] : [spec.source];
}

/**
 * Checks that the checkpoint has every tensor, with the right shape and a usable dtype. Tensors beyond those are ignored.
 *
 * @throws {MissingTensorError | TensorShapeError | TensorDtypeError} naming the first offender.
 */
export function assertTensorsMatch(config: GlmConfig, tensors: ReadonlyMap<string, TensorInfo>): void {
  for (const { tensor, shape } of listModelSpecs(modelWeightSpecs(config)).flatMap(listSources)) {
    const info = tensors.get(tensor);
    if (info === undefined) {
      throw new MissingTensorError(tensor, shape);
    }
    if (info.shape.length !== shape.length || info.shape.some((size, index) => size !== shape[index])) {
      throw new TensorShapeError(tensor, shape, info.shape);
    }
    if (info.dtype !== 'bf16' && info.dtype !== 'f16' && info.dtype !== 'f32') {
      throw new TensorDtypeError(tensor, info.dtype);
    }
  }
}

/** Not weights: computed from the configuration, and stored by some versions of transformers and of the remote code. */
const derivedTensor = /(^|\.)(rotary_emb|rotary_pos_emb)\.inv_freq$/;

/** Tensors of the checkpoint that the model does not read, though they look like weights: the configuration may be of another model. */
export function unusedTensors(config: GlmConfig, tensors: ReadonlyMap<string, TensorInfo>): readonly string[] {
  const used = new Set(listModelSpecs(modelWeightSpecs(config)).flatMap(listSources).map(({ tensor }) => tensor));
  return [...tensors.keys()].filter((name) => !used.has(name) && !derivedTensor.test(name));
}

function transformersSpecs(config: GlmConfig): ModelWeightSpecs {
  const { hiddenSize, intermediateSize, vocabSize, hasQkvBias } = config;
  const isSandwich = config.architecture === 'glm4';
  const embedding: TensorSource = { tensor: 'model.embed_tokens.weight', shape: [vocabSize, hiddenSize] };
  return {
    embedding: { kind: 'embedding', id: 'embedding', rows: vocabSize, width: hiddenSize, source: embedding },
    layers: Array.from({ length: config.numLayers }, (_, layerIndex) => {
      const id = `layers.${layerIndex}`;
      const tensor = (name: string, ...shape: readonly number[]): TensorSource => ({ tensor: `model.layers.${layerIndex}.${name}`, shape });
      const widths: readonly (readonly [string, number])[] = [
        ['q', config.numHeads * config.headDim],
        ['k', config.numKvHeads * config.headDim],
        ['v', config.numKvHeads * config.headDim],
      ];
      return {
        inputNorm: norm(`${id}.input_norm`, tensor('input_layernorm.weight', hiddenSize)),
        qkv: linear(
          `${id}.attn.qkv`,
          widths.map(([part, width]) => tensor(`self_attn.${part}_proj.weight`, width, hiddenSize)),
          hasQkvBias ? widths.map(([part, width]) => tensor(`self_attn.${part}_proj.bias`, width)) : [],
        ),
        attentionOutput: linear(`${id}.attn.output`, [tensor('self_attn.o_proj.weight', hiddenSize, config.numHeads * config.headDim)], [], isSandwich),
        postSelfAttentionNorm: isSandwich ? norm(`${id}.post_self_attn_norm`, tensor('post_self_attn_layernorm.weight', hiddenSize)) : undefined,
        preMlpNorm: norm(`${id}.pre_mlp_norm`, tensor('post_attention_layernorm.weight', hiddenSize)),
        gateUp: linear(`${id}.mlp.gate_up`, [tensor('mlp.gate_up_proj.weight', 2 * intermediateSize, hiddenSize)]),
        down: linear(`${id}.mlp.down`, [tensor('mlp.down_proj.weight', hiddenSize, intermediateSize)], [], isSandwich),
        postMlpNorm: isSandwich ? norm(`${id}.post_mlp_norm`, tensor('post_mlp_layernorm.weight', hiddenSize)) : undefined,
      };
    }),
    finalNorm: norm('final_norm', { tensor: 'model.norm.weight', shape: [hiddenSize] }),
    head: linear('lm_head', [config.hasTiedHead ? embedding : { tensor: 'lm_head.weight', shape: [vocabSize, hiddenSize] }]),
  };
}

function remoteCodeSpecs(config: GlmConfig): ModelWeightSpecs {
  const { hiddenSize, intermediateSize, vocabSize, hasQkvBias, headDim } = config;
  const embedding: TensorSource = { tensor: 'transformer.embedding.word_embeddings.weight', shape: [vocabSize, hiddenSize] };
  const qkvWidth = (config.numHeads + 2 * config.numKvHeads) * headDim;
  return {
    embedding: { kind: 'embedding', id: 'embedding', rows: vocabSize, width: hiddenSize, source: embedding },
    layers: Array.from({ length: config.numLayers }, (_, layerIndex) => {
      const id = `layers.${layerIndex}`;
      const tensor = (name: string, ...shape: readonly number[]): TensorSource => ({ tensor: `transformer.encoder.layers.${layerIndex}.${name}`, shape });
      return {
        inputNorm: norm(`${id}.input_norm`, tensor('input_layernorm.weight', hiddenSize)),
        // Rows are all q heads, then all k groups, then all v groups: just what a packed attention input wants.
        qkv: linear(
          `${id}.attn.qkv`,
          [tensor('self_attention.query_key_value.weight', qkvWidth, hiddenSize)],
          hasQkvBias ? [tensor('self_attention.query_key_value.bias', qkvWidth)] : [],
        ),
        attentionOutput: linear(`${id}.attn.output`, [tensor('self_attention.dense.weight', hiddenSize, config.numHeads * headDim)]),
        preMlpNorm: norm(`${id}.pre_mlp_norm`, tensor('post_attention_layernorm.weight', hiddenSize)),
        gateUp: linear(`${id}.mlp.gate_up`, [tensor('mlp.dense_h_to_4h.weight', 2 * intermediateSize, hiddenSize)]),
        down: linear(`${id}.mlp.down`, [tensor('mlp.dense_4h_to_h.weight', hiddenSize, intermediateSize)]),
      };
    }),
    finalNorm: norm('final_norm', { tensor: 'transformer.encoder.final_layernorm.weight', shape: [hiddenSize] }),
    head: linear('lm_head', [config.hasTiedHead ? embedding : { tensor: 'transformer.output_layer.weight', shape: [vocabSize, hiddenSize] }]),
  };
}

function norm(id: string, source: TensorSource): NormSpec {
  return { kind: 'norm', id, size: source.shape[0] as number, source };
}

function linear(id: string, sources: readonly TensorSource[], biasSources: readonly TensorSource[] = [], isRescalable = false): LinearSpec {
  const outFeatures = sources.reduce((sum, source) => sum + (source.shape[0] as number), 0);
  return { kind: 'linear', id, outFeatures, inFeatures: sources[0]?.shape[1] as number, sources, biasSources, isRescalable };
}
