import { describe, expect, it } from 'vitest';
import { readSamplingDefaults } from '../../../src/model/samplingDefaults';

describe('readSamplingDefaults', () => {
  it('takes what generation_config.json recommends, under our names', () => {
    expect(readSamplingDefaults({ do_sample: true, temperature: 0.6, top_p: 0.95, top_k: 40, min_p: 0.05, repetition_penalty: 1.1, eos_token_id: [1, 2] })).toEqual({ temperature: 0.6, topP: 0.95, topK: 40, minP: 0.05, repetitionPenalty: 1.1 });
    expect(readSamplingDefaults({ temperature: 0.8 })).toEqual({ temperature: 0.8 });
    expect(readSamplingDefaults({ temperature: 0 })).toEqual({ temperature: 0 });
    expect(readSamplingDefaults(undefined)).toEqual({});
  });

  it.each([
    ['null', null],
    ['a text', '0.8'],
    ['nothing that can be meant', -1],
    ['not finite', Number.POSITIVE_INFINITY],
  ])('leaves out what is %s', (_, value) => {
    expect(readSamplingDefaults({ temperature: value, top_p: value, top_k: value, min_p: value, repetition_penalty: value })).toEqual({});
  });
});
