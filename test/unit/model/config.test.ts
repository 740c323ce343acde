import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseGlmConfig } from '../../../src/model/config';

const glm4 = {
  model_type: 'glm4',
  attention_bias: true,
  head_dim: 128,
  hidden_act: 'silu',
  hidden_size: 4096,
  intermediate_size: 13_696,
  max_position_embeddings: 32_768,
  num_attention_heads: 32,
  num_hidden_layers: 40,
  num_key_value_heads: 2,
  partial_rotary_factor: 0.5,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  vocab_size: 151_552,
  eos_token_id: [151_329, 151_336, 151_338],
};
const remote = {
  model_type: 'chatglm',
  add_bias_linear: false,
  add_qkv_bias: true,
  ffn_hidden_size: 13_696,
  hidden_size: 4096,
  kv_channels: 128,
  layernorm_epsilon: 1.5625e-7,
  multi_query_attention: true,
  multi_query_group_num: 2,
  num_attention_heads: 32,
  num_layers: 40,
  padded_vocab_size: 151_552,
  rope_ratio: 500,
  seq_length: 131_072,
};
const untied = ['lm_head.weight', 'transformer.output_layer.weight'];

describe('parseGlmConfig', () => {
  it('reads a version 4 file, rope settings at the top', () => {
    expect(parseGlmConfig(glm4, untied)).toEqual({
      architecture: 'glm4',
      numLayers: 40,
      hiddenSize: 4096,
      intermediateSize: 13_696,
      numHeads: 32,
      numKvHeads: 2,
      headDim: 128,
      rotaryDim: 64,
      ropeTheta: 10_000,
      rmsNormEpsilon: 1e-5,
      vocabSize: 151_552,
      maxContextTokens: 32_768,
      hasQkvBias: true,
      hasTiedHead: false,
      eosTokenIds: [151_329, 151_336, 151_338],
    });
  });

  it('reads a version 5 file, rope settings in an object', () => {
    const config = parseGlmConfig({ ...glm4, rope_theta: undefined, partial_rotary_factor: undefined, model_type: 'glm', rope_parameters: { rope_type: 'default', rope_theta: 5e6, partial_rotary_factor: 1 } }, untied);
    expect(config).toMatchObject({ architecture: 'glm', ropeTheta: 5e6, rotaryDim: 128 });
  });

  it('reads the rope settings in the order that transformers does: rope_scaling, rope_parameters, the top level', () => {
    const read = (changes: object): object => parseGlmConfig({ ...glm4, rope_theta: 20_000, partial_rotary_factor: 0.25, ...changes }, untied);
    expect(read({ rope_scaling: null, rope_parameters: {} })).toMatchObject({ ropeTheta: 20_000, rotaryDim: 32 });
    expect(read({ rope_parameters: { rope_theta: 5e6 }, rope_scaling: {} })).toMatchObject({ ropeTheta: 5e6, rotaryDim: 32 });
    expect(read({ rope_parameters: { rope_theta: 5e6 }, rope_scaling: { rope_type: 'default', partial_rotary_factor: 1 } })).toMatchObject({ ropeTheta: 20_000, rotaryDim: 128 });
  });

  it('reads the remote code’s names and multiplies its rope ratio', () => {
    expect(parseGlmConfig(remote, untied)).toMatchObject({ architecture: 'chatglm', numKvHeads: 2, headDim: 128, rotaryDim: 64, ropeTheta: 5e6, intermediateSize: 13_696, rmsNormEpsilon: 1.5625e-7 });
    expect(parseGlmConfig({ ...remote, multi_query_attention: false }, untied).numKvHeads).toBe(32);
  });

  it('tells a tied head by the missing tensor, unless the file denies it: then the tensor is missing', () => {
    expect(parseGlmConfig({ ...glm4, tie_word_embeddings: undefined }, ['model.embed_tokens.weight']).hasTiedHead).toBe(true);
    expect(parseGlmConfig({ ...glm4, tie_word_embeddings: true }, ['model.embed_tokens.weight']).hasTiedHead).toBe(true);
    expect(parseGlmConfig({ ...glm4, tie_word_embeddings: false }, ['model.embed_tokens.weight']).hasTiedHead).toBe(false);
    expect(parseGlmConfig({ ...remote, tie_word_embeddings: false }, []).hasTiedHead).toBe(false);
    expect(parseGlmConfig({ ...glm4, tie_word_embeddings: true }, untied).hasTiedHead).toBe(false);
  });

  it.each([
    [{ ...glm4, model_type: 'glm4_moe' }, /mixture of experts.*Supported are the model types glm/s],
    [{ ...glm4, model_type: 'llama' }, /"llama" is not supported/],
    [{ hidden_size: 1 }, /names no model_type/],
    [{ ...glm4, hidden_act: 'gelu' }, /activation "gelu"/],
    [{ ...glm4, rope_scaling: { type: 'dynamic', factor: 4 } }, /rope type "dynamic".*linear and yarn/],
    [{ ...glm4, rope_parameters: { rope_type: 'llama3' } }, /rope type "llama3"/],
    [{ ...glm4, quantization_config: { bits: 4 } }, /quantised already/],
    [{ ...remote, quantization_bit: 4 }, /quantised already/],
    [{ ...remote, vision_config: {} }, /vision part/],
    [{ ...remote, add_bias_linear: true }, /add_bias_linear = true/],
    [{ ...remote, rmsnorm: false }, /rmsnorm = false/],
    [{ model_type: 'chatglm', inner_hidden_size: 16_384 }, /ChatGLM-6B/],
    [{ ...glm4, head_dim: 100 }, /multiples of 16/],
    [{ ...glm4, partial_rotary_factor: 0.3 }, /multiples of 16/],
  ])('refuses what it cannot run: %#', (raw, message) => {
    expect(() => parseGlmConfig(raw, untied)).toThrow(expect.objectContaining({ code: 'unsupported-model', message: expect.stringMatching(message) }));
  });

  it.each([
    [undefined, /no JSON object/],
    [[], /no JSON object/],
    [{ ...glm4, hidden_size: -4096 }, /hidden_size is -4096/],
    [{ ...glm4, hidden_size: 1e15 }, /from 1 to 65536/],
    [{ ...glm4, num_hidden_layers: 2.5 }, /num_hidden_layers is 2.5/],
    [{ ...glm4, vocab_size: '151552' }, /vocab_size is "151552"/],
    [{ ...glm4, rope_theta: Number.NaN }, /rope_theta/],
    [{ ...glm4, rope_theta: 0 }, /above zero/],
    [{ ...glm4, rms_norm_eps: Infinity }, /rms_norm_eps/],
    [{ ...glm4, rms_norm_eps: 2 }, /epsilon is 2/],
    [{ ...glm4, num_key_value_heads: 3 }, /32 query heads over 3/],
    [{ ...glm4, partial_rotary_factor: 2 }, /rotary dimension is 256/],
    [{ ...glm4, num_attention_heads: undefined }, /num_attention_heads is missing/],
    [{ ...glm4, eos_token_id: [1.5] }, /eos_token_id/],
    [{ ...glm4, attention_bias: 'yes' }, /attention_bias is neither/],
    [{ ...glm4, rope_parameters: [] }, /rope_parameters is not an object/],
    [{ ...glm4, rope_parameters: { rope_type: 'linear' } }, /factor is missing/],
    [{ ...glm4, rope_scaling: { type: 'yarn', factor: -4 } }, /factor is -4/],
    [{ ...glm4, rope_scaling: { type: 'yarn', factor: 4, original_max_position_embeddings: 0 } }, /above zero/],
    [{ ...glm4, rope_scaling: { type: 'yarn', factor: 4, truncate: 1 } }, /truncate is neither/],
  ])('refuses an impossible value: %#', (raw, message) => {
    expect(() => parseGlmConfig(raw, untied)).toThrow(expect.objectContaining({ code: 'config-invalid', message: expect.stringMatching(message) }));
  });

  it('throws only its own errors, whatever the values', () => {
    const keys = [...Object.keys(glm4), ...Object.keys(remote), 'rope_parameters', 'rope_scaling'];
    fc.assert(
      fc.property(fc.constantFrom(glm4, remote), fc.constantFrom(...keys), fc.jsonValue(), (base, key, value) => {
        try {
          const config = parseGlmConfig({ ...base, [key]: value }, untied);
          expect(config.numHeads % config.numKvHeads).toBe(0);
          expect(Number.isSafeInteger(config.numLayers * config.intermediateSize * config.hiddenSize)).toBe(true);
        } catch (error) {
          expect(['unsupported-model', 'config-invalid']).toContain((error as { code?: string }).code);
        }
      }),
    );
  });
});
