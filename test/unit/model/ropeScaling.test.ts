import { describe, expect, it } from 'vitest';
import { parseGlmConfig, type GlmConfig } from '../../../src/model/config';
import { rotaryTable } from '../../../src/model/rope';
import { rotaryFrequencies } from '../../../src/model/ropeScaling';

const base = { model_type: 'glm4', hidden_size: 128, intermediate_size: 256, num_hidden_layers: 1, num_attention_heads: 4, num_key_value_heads: 2, head_dim: 64, vocab_size: 100, max_position_embeddings: 4096, rope_theta: 10_000, partial_rotary_factor: 0.5, eos_token_id: 1 };
const read = (changes: object): GlmConfig => parseGlmConfig({ ...base, ...changes }, ['lm_head.weight']);

/** What transformers 5.23 computes as `inv_freq` and `attention_scaling`. */
const references: readonly { readonly name: string; readonly changes: object; readonly inverse: readonly number[]; readonly scale: number }[] = [
  {
    name: 'yarn as GLM-4-0414 is told to use it',
    changes: { rope_scaling: { type: 'yarn', factor: 4, original_max_position_embeddings: 64 } },
    inverse: [1.0, 0.477990121, 0.221359432, 0.0978053659, 0.0399999991, 0.0140585322, 0.00790569466, 0.00444569858, 0.00249999994, 0.00140585331, 0.000790569466, 0.000444569858, 0.000250000012, 0.000140585325, 7.90569466e-05, 4.44569851e-05],
    scale: 1.138629436111989,
  },
  {
    name: 'yarn with two weights and ends between dimensions',
    changes: { rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 512, mscale: 0.8, mscale_all_dim: 1.2, truncate: false } },
    inverse: [1.0, 0.562341332, 0.301406473, 0.147340879, 0.0703986362, 0.0325828455, 0.0143833589, 0.00587311294, 0.00249999994, 0.00140585331, 0.000790569466, 0.000444569858, 0.000250000012, 0.000140585325, 7.90569466e-05, 4.44569851e-05],
    scale: 0.9524572200808673,
  },
];

describe('rotaryFrequencies', () => {
  it.each(references)('are those of transformers for $name', ({ changes, inverse, scale }) => {
    const frequencies = rotaryFrequencies(read(changes));
    expect([...frequencies.inverse]).toEqual(inverse.map((value) => Math.fround(value)));
    expect(frequencies.scale).toBe(scale);
  });

  it('are divided by the factor of a linear scaling', () => {
    const plain = rotaryFrequencies(read({}));
    expect([...rotaryFrequencies(read({ rope_parameters: { rope_type: 'linear', factor: 2, rope_theta: 10_000 } })).inverse]).toEqual([...plain.inverse].map((value) => value / 2));
    expect(plain.scale).toBe(1);
  });

  it('scale what is rotated, and nothing at a factor of 1', () => {
    const { cos } = rotaryTable(read({ rope_scaling: { type: 'yarn', factor: 2.5, attention_factor: 1.3 } }), 2);
    expect(cos[0]).toBe(Math.fround(1.3));
    expect(rotaryTable(read({ rope_scaling: { type: 'yarn', factor: 1 } }), 9)).toEqual(rotaryTable(read({}), 9));
  });
});

describe('a stretched context', () => {
  it('is as long as the factor makes it, when the file still gives the original one', () => {
    expect(read({ rope_scaling: { type: 'yarn', factor: 4, original_max_position_embeddings: 4096 } }).maxContextTokens).toBe(16_384);
    expect(read({ rope_scaling: { type: 'yarn', factor: 4 } }).maxContextTokens).toBe(16_384);
    expect(read({ max_position_embeddings: 131_072, rope_scaling: { type: 'yarn', factor: 4, original_max_position_embeddings: 32_768 } }).maxContextTokens).toBe(131_072);
    expect(read({ rope_scaling: { type: 'linear', factor: 4 } }).maxContextTokens).toBe(4096);
  });
});
