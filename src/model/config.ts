/**
 * `config.json` → a checked, typed configuration. The one place where Hugging Face's and the remote code's key names are known.
 *
 * The file is hostile input: every number is checked before anything is multiplied with it or allocated from it.
 *
 * @see transformers models/glm, models/glm4 (configuration_glm.py, configuration_glm4.py); configuration_chatglm.py of the first glm-4-9b release
 */

import { InvalidConfigError, UnsupportedModelError } from './modelErrors';
import type { RopeScaling } from './ropeScaling';

export type Architecture = 'glm' | 'glm4' | 'chatglm';

export interface GlmConfig {
  readonly architecture: Architecture;
  readonly numLayers: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHeads: number;
  readonly numKvHeads: number;
  /** Width of one head; `numHeads * headDim` may differ from `hiddenSize`. */
  readonly headDim: number;
  /** The first so many dimensions of a head are rotated, in interleaved pairs. */
  readonly rotaryDim: number;
  readonly ropeTheta: number;
  /** Stretches the rotary embedding over a longer context; undefined for most models. */
  readonly ropeScaling?: RopeScaling;
  readonly rmsNormEpsilon: number;
  readonly vocabSize: number;
  /** The longest context the model was made for. */
  readonly maxContextTokens: number;
  readonly hasQkvBias: boolean;
  /** lm_head is the embedding: its tensor is absent, and config.json does not deny it. */
  readonly hasTiedHead: boolean;
  /** From config.json; generation_config.json takes precedence. */
  readonly eosTokenIds: readonly number[];
}

/**
 * Reads `config.json`.
 *
 * @param raw          The parsed JSON, unchecked.
 * @param tensorNames  Names of the checkpoint's tensors; tells a tied head.
 * @throws {UnsupportedModelError} for another architecture or an option that is not implemented.
 * @throws {InvalidConfigError} for a missing or impossible value.
 */
export function parseGlmConfig(raw: unknown, tensorNames: Iterable<string>): GlmConfig {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    throw new InvalidConfigError('the file', 'holds no JSON object.');
  }
  const json = new ConfigReader(raw as Readonly<Record<string, unknown>>);
  const names = tensorNames instanceof Set ? (tensorNames as ReadonlySet<string>) : new Set(tensorNames);
  const modelType = json.tryText('model_type');
  if (json.isSet('quantization_config') || (json.tryNumber('quantization_bit') ?? 0) !== 0) {
    throw new UnsupportedModelError('This checkpoint is quantised already.', { modelType });
  }
  if (json.isSet('vision_config')) {
    throw new UnsupportedModelError('This checkpoint has a vision part, which GLM Local cannot run.', { modelType });
  }
  switch (modelType) {
    case 'glm':
    case 'glm4':
      return checkConsistency(parseTransformersConfig(json, modelType, names));
    case 'chatglm':
      return checkConsistency(parseRemoteCodeConfig(json, names));
    case undefined:
      throw new UnsupportedModelError('config.json names no model_type.');
    default:
      throw new UnsupportedModelError(
        /moe/.test(modelType) ? `The model type "${modelType}" is a mixture of experts, which GLM Local cannot run yet.` : `The model type "${modelType}" is not supported.`,
        { modelType },
      );
  }
}

/** More than any model takes; what is above is a mistake. */
const mostContextTokens = 16_777_216;

function parseTransformersConfig(json: ConfigReader, architecture: 'glm' | 'glm4', names: ReadonlySet<string>): GlmConfig {
  const activation = json.tryText('hidden_act') ?? 'silu';
  if (activation !== 'silu') {
    throw new UnsupportedModelError(`Its activation "${activation}" is not supported (only silu is).`, { modelType: architecture });
  }
  // Version 5 of transformers moved the rope settings into one object; version 4 has them at the top. An older name of the object wins over it.
  const rope = json.tryFilledObject('rope_scaling') ?? json.tryObject('rope_parameters') ?? json;
  const maxContextTokens = json.tryCount('max_position_embeddings', mostContextTokens) ?? 131_072;
  const ropeScaling = parseRopeScaling(rope, json, maxContextTokens, architecture);
  const headDim = json.tryCount('head_dim', 1024) ?? 128;
  const partialRotaryFactor = rope.tryPositive('partial_rotary_factor') ?? json.tryPositive('partial_rotary_factor') ?? 0.5;
  return {
    architecture,
    numLayers: json.count('num_hidden_layers', 1024),
    hiddenSize: json.count('hidden_size', 65_536),
    intermediateSize: json.count('intermediate_size', 1_048_576),
    numHeads: json.count('num_attention_heads', 1024),
    numKvHeads: json.count('num_key_value_heads', 1024),
    headDim,
    rotaryDim: Math.trunc(headDim * partialRotaryFactor),
    ropeTheta: rope.tryPositive('rope_theta') ?? json.tryPositive('rope_theta') ?? 10_000,
    ...(ropeScaling === undefined ? {} : { ropeScaling }),
    rmsNormEpsilon: json.tryPositive('rms_norm_eps') ?? 1.5625e-7,
    vocabSize: json.count('vocab_size', 4_194_304),
    maxContextTokens: ropeScaling?.kind === 'yarn' ? Math.max(maxContextTokens, Math.min(Math.floor(ropeScaling.originalContextTokens * ropeScaling.factor), mostContextTokens)) : maxContextTokens,
    hasQkvBias: json.tryFlag('attention_bias') ?? true,
    hasTiedHead: isHeadTied(json, names.has('lm_head.weight')),
    eosTokenIds: json.idList('eos_token_id'),
  };
}

/** @returns undefined for angles as they are. */
function parseRopeScaling(rope: ConfigReader, json: ConfigReader, maxContextTokens: number, modelType: string): RopeScaling | undefined {
  const kind = rope.tryText('rope_type') ?? rope.tryText('type') ?? 'default';
  switch (kind) {
    case 'default':
      return undefined;
    case 'linear':
      return { kind, factor: rope.positive('factor') };
    case 'yarn': {
      const originalContextTokens = json.tryPositive('original_max_position_embeddings') ?? rope.tryPositive('original_max_position_embeddings') ?? maxContextTokens;
      const factor = rope.tryPositive('factor') ?? maxContextTokens / originalContextTokens;
      // The logarithm of the factor, weighted: how much sharper attention has to be over more positions.
      const sharpness = (weight: number): number => (factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1);
      const [mscale, mscaleAllDim] = [rope.tryNumber('mscale') ?? 0, rope.tryNumber('mscale_all_dim') ?? 0];
      return {
        kind,
        factor,
        attentionFactor: rope.tryPositive('attention_factor') ?? (mscale !== 0 && mscaleAllDim !== 0 ? sharpness(mscale) / sharpness(mscaleAllDim) : sharpness(1)),
        betaFast: rope.tryPositive('beta_fast') ?? 32,
        betaSlow: rope.tryPositive('beta_slow') ?? 1,
        originalContextTokens,
        truncates: rope.tryFlag('truncate') ?? true,
      };
    }
    default:
      throw new UnsupportedModelError(`Its rope type "${kind}" is not supported (default, linear and yarn are).`, { modelType });
  }
}

function parseRemoteCodeConfig(json: ConfigReader, names: ReadonlySet<string>): GlmConfig {
  const modelType = 'chatglm';
  if (!json.isSet('padded_vocab_size') || !json.isSet('kv_channels')) {
    throw new UnsupportedModelError('This is the first ChatGLM-6B layout, which is not supported.', { modelType });
  }
  const fixed: readonly (readonly [key: string, value: boolean])[] = [
    ['rmsnorm', true],
    ['post_layer_norm', true],
    ['original_rope', true],
    ['add_bias_linear', false],
    ['apply_residual_connection_post_layernorm', false],
  ];
  for (const [key, value] of fixed) {
    if ((json.tryFlag(key) ?? value) !== value) {
      throw new UnsupportedModelError(`Its option ${key} = ${String(!value)} is not supported.`, { modelType });
    }
  }
  if (json.isSet('pre_seq_len')) {
    throw new UnsupportedModelError('Prefix tuning (pre_seq_len) is not supported.', { modelType });
  }
  const numHeads = json.count('num_attention_heads', 1024);
  const headDim = json.count('kv_channels', 1024);
  return {
    architecture: modelType,
    numLayers: json.count('num_layers', 1024),
    hiddenSize: json.count('hidden_size', 65_536),
    intermediateSize: json.count('ffn_hidden_size', 1_048_576),
    numHeads,
    numKvHeads: (json.tryFlag('multi_query_attention') ?? false) ? json.count('multi_query_group_num', 1024) : numHeads,
    headDim,
    rotaryDim: Math.trunc(headDim / 2),
    ropeTheta: 10_000 * (json.tryPositive('rope_ratio') ?? 1),
    rmsNormEpsilon: json.tryPositive('layernorm_epsilon') ?? 1e-5,
    vocabSize: json.count('padded_vocab_size', 4_194_304),
    maxContextTokens: json.tryCount('seq_length', mostContextTokens) ?? 8192,
    hasQkvBias: json.tryFlag('add_qkv_bias') ?? false,
    hasTiedHead: isHeadTied(json, names.has('transformer.output_layer.weight')),
    eosTokenIds: json.idList('eos_token_id'),
  };
}

/** A head tensor is always used. Without one the embedding is the head, unless the file says outright that it is not: then the head is missing. */
function isHeadTied(json: ConfigReader, hasHeadTensor: boolean): boolean {
  return !hasHeadTensor && json.tryFlag('tie_word_embeddings') !== false;
}

/** What the attention kernel and the arithmetic between the values demand. */
function checkConsistency(config: GlmConfig): GlmConfig {
  const { numHeads, numKvHeads, headDim, rotaryDim, architecture } = config;
  if (numHeads % numKvHeads !== 0) {
    throw new InvalidConfigError('the head counts', `do not divide: ${numHeads} query heads over ${numKvHeads} key/value heads.`);
  }
  if (rotaryDim > headDim || rotaryDim < 2) {
    throw new InvalidConfigError('the rotary dimension', `is ${rotaryDim}, but a head has ${headDim}.`);
  }
  if (headDim % 16 !== 0 || rotaryDim % 16 !== 0) {
    throw new UnsupportedModelError(`Its head dimension ${headDim} with ${rotaryDim} rotated does not suit the attention kernel, which needs multiples of 16.`, {
      modelType: architecture,
    });
  }
  if (config.rmsNormEpsilon >= 1) {
    throw new InvalidConfigError('the norm epsilon', `is ${config.rmsNormEpsilon}, which cannot be.`);
  }
  return config;
}

/** Reads one JSON object key by key; a key that is absent or null counts as not set. */
class ConfigReader {
  constructor(private readonly json: Readonly<Record<string, unknown>>) {}

  isSet(key: string): boolean {
    return this.read(key) !== undefined;
  }

  tryText(key: string): string | undefined {
    const value = this.read(key);
    if (value !== undefined && typeof value !== 'string') {
      throw new InvalidConfigError(key, 'is not a text.');
    }
    return value;
  }

  tryFlag(key: string): boolean | undefined {
    const value = this.read(key);
    if (value !== undefined && typeof value !== 'boolean') {
      throw new InvalidConfigError(key, 'is neither true nor false.');
    }
    return value;
  }

  tryObject(key: string): ConfigReader | undefined {
    const value = this.read(key);
    if (value !== undefined && (typeof value !== 'object' || Array.isArray(value))) {
      throw new InvalidConfigError(key, 'is not an object.');
    }
    return value === undefined ? undefined : new ConfigReader(value as Readonly<Record<string, unknown>>);
  }

  /** As {@link tryObject}; an empty object counts as not set. */
  tryFilledObject(key: string): ConfigReader | undefined {
    const object = this.tryObject(key);
    return object !== undefined && Object.keys(object.json).length > 0 ? object : undefined;
  }

  tryNumber(key: string): number | undefined {
    const value = this.read(key);
    if (value !== undefined && (typeof value !== 'number' || !Number.isFinite(value))) {
      throw new InvalidConfigError(key, `is ${JSON.stringify(value)}, not a number.`);
    }
    return value;
  }

  tryPositive(key: string): number | undefined {
    const value = this.tryNumber(key);
    if (value !== undefined && !(value > 0 && value < 1e12)) {
      throw new InvalidConfigError(key, `is ${value}; it must be above zero.`);
    }
    return value;
  }

  positive(key: string): number {
    const value = this.tryPositive(key);
    if (value === undefined) {
      throw new InvalidConfigError(key, 'is missing.');
    }
    return value;
  }

  tryCount(key: string, most: number): number | undefined {
    const value = this.tryNumber(key);
    if (value !== undefined && !(Number.isInteger(value) && value >= 1 && value <= most)) {
      throw new InvalidConfigError(key, `is ${value}; it must be a whole number from 1 to ${most}.`);
    }
    return value;
  }

  count(key: string, most: number): number {
    const value = this.tryCount(key, most);
    if (value === undefined) {
      throw new InvalidConfigError(key, 'is missing.');
    }
    return value;
  }

  /** One id or a list of ids; absent is an empty list. */
  idList(key: string): readonly number[] {
    const value = this.read(key);
    const list: readonly unknown[] = value === undefined ? [] : Array.isArray(value) ? value : [value];
    if (!list.every((id): id is number => typeof id === 'number' && Number.isInteger(id) && id >= 0)) {
      throw new InvalidConfigError(key, 'is neither a token id nor a list of them.');
    }
    return list;
  }

  private read(key: string): unknown {
    return Object.hasOwn(this.json, key) ? (this.json[key] ?? undefined) : undefined;
  }
}
