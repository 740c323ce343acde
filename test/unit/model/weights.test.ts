import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dtypeBytes, type TensorInfo } from '../../../src/common/dtype';
import type { GlmConfig } from '../../../src/model/config';
import { countParameters, modelSizes } from '../../../src/model/modelSizes';
import { precisionFor } from '../../../src/model/precision';
import { layOutStoredTensors, storedTensorsOf } from '../../../src/model/storedTensors';
import { assertTensorsMatch, listModelSpecs, listSources, listStageSpecs, modelWeightSpecs } from '../../../src/model/weightSpecs';

const glm9b: GlmConfig = {
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
  eosTokenIds: [],
};
const edge: GlmConfig = { ...glm9b, architecture: 'glm', numLayers: 28, hiddenSize: 2048, intermediateSize: 6144, numHeads: 16, numKvHeads: 4, rotaryDim: 128, vocabSize: 59_264, hasQkvBias: false, hasTiedHead: true };

function tensorsOf(config: GlmConfig, change: (info: TensorInfo) => TensorInfo | undefined = (info) => info): Map<string, TensorInfo> {
  const all = listModelSpecs(modelWeightSpecs(config)).flatMap(listSources);
  return new Map(
    all.flatMap(({ tensor, shape }) => {
      const info = change({ name: tensor, dtype: 'bf16', shape, file: '/f', fileOffset: 0, byteLength: shape.reduce((a, b) => a * b, 2) });
      return info === undefined ? [] : [[tensor, info] as const];
    }),
  );
}

describe('countParameters', () => {
  it('gives the published sizes', () => {
    expect(countParameters(glm9b)).toBe(9_400_279_040);
    expect(countParameters(edge) / 1e9).toBeCloseTo(1.47, 2);
  });

  it('is the same for the remote code’s layout, which only names things differently', () => {
    expect(countParameters({ ...glm9b, architecture: 'chatglm' })).toBe(countParameters({ ...glm9b, architecture: 'glm' }));
  });
});

describe('assertTensorsMatch', () => {
  it('accepts a complete checkpoint and ignores further tensors', () => {
    const tensors = tensorsOf(glm9b);
    tensors.set('model.layers.40.extra', { name: 'x', dtype: 'i8', shape: [1], file: '/f', fileOffset: 0, byteLength: 1 });
    expect(() => assertTensorsMatch(glm9b, tensors)).not.toThrow();
  });

  it('names the tensor that is missing, misshapen or of another type', () => {
    const target = 'model.layers.7.mlp.gate_up_proj.weight';
    const only = (change: (info: TensorInfo) => TensorInfo | undefined): Map<string, TensorInfo> => tensorsOf(glm9b, (info) => (info.name === target ? change(info) : info));
    const failing = (code: string) => expect.objectContaining({ code, message: expect.stringContaining(target) });
    expect(() => assertTensorsMatch(glm9b, only(() => undefined))).toThrow(failing('tensor-missing'));
    expect(() => assertTensorsMatch(glm9b, only((info) => ({ ...info, shape: [4096, 27_392] })))).toThrow(failing('tensor-shape'));
    expect(() => assertTensorsMatch(glm9b, only((info) => ({ ...info, shape: [27_392] })))).toThrow(failing('tensor-shape'));
    expect(() => assertTensorsMatch(glm9b, only((info) => ({ ...info, dtype: 'i8' })))).toThrow(failing('tensor-dtype'));
  });

  it('misses the sandwich norms when a glm checkpoint claims to be glm4', () => {
    expect(() => assertTensorsMatch(glm9b, tensorsOf({ ...glm9b, architecture: 'glm' }))).toThrow(/post_self_attn_layernorm/);
  });
});

describe('stages', () => {
  it('hold every weight exactly once, wherever the cuts are', () => {
    const specs = modelWeightSpecs(edge);
    const whole = listModelSpecs(specs).map((spec) => spec.id);
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 27 }), { maxLength: 4 }), (cuts) => {
        const ends = [...cuts.sort((a, b) => a - b), 28];
        const parts = ends.flatMap((endLayer, index) =>
          listStageSpecs(specs, { firstLayer: ends[index - 1] ?? 0, endLayer, hasEmbedding: index === 0, hasHead: endLayer === 28 }).map((spec) => spec.id),
        );
        expect(parts).toEqual(whole);
      }),
    );
  });
});

describe('layOutStoredTensors', () => {
  it('keeps order, overlaps nothing, and gives each large tensor pages of its own', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 30 }), fc.integer({ min: 0, max: 9999 }), (sizes, start) => {
        const tensors = sizes.map((byteLength, index) => ({ name: String(index), byteLength })) as never;
        const { places, endOffset } = layOutStoredTensors(tensors, start);
        let end = start;
        for (const { offset, byteLength } of places.values()) {
          expect(offset).toBeGreaterThanOrEqual(end);
          expect(offset % (byteLength >= 4096 ? 4096 : 64)).toBe(0);
          end = offset + byteLength;
        }
        expect(endOffset).toBe(end);
      }),
    );
  });
});

describe('modelSizes', () => {
  it('adds up to the stored tensors of the whole model', () => {
    for (const weights of ['f32', 'int8', 'int4'] as const) {
      const sizes = modelSizes(glm9b, weights, 'f32');
      const precision = precisionFor('cpu', weights);
      const stored = listModelSpecs(modelWeightSpecs(glm9b)).flatMap((spec) => storedTensorsOf(spec, precision, () => 'bf16'));
      const total = sizes.embeddingBytes + sizes.headBytes + sizes.layerBytes.reduce((a, b) => a + b, 0);
      expect(total).toBe(stored.reduce((sum, tensor) => sum + tensor.byteLength, 0));
    }
  });

  it('counts the bf16 checkpoint on CUDA byte for byte', () => {
    const sizes = modelSizes(glm9b, 'bf16', 'bf16', { provider: 'cuda' });
    expect(sizes.embeddingBytes + sizes.headBytes + sizes.layerBytes.reduce((a, b) => a + b, 0)).toBe(2 * countParameters(glm9b));
    expect(sizes.kvBytesPerTokenPerLayer).toBe(1024);
  });

  it('takes 4.5 bits a weight for int4 in blocks of 64 with f32 scales, and a sixteenth for zero points', () => {
    const [layer] = modelSizes(edge, 'int4', 'f32').layerBytes;
    const parameters = 2048 * (16 + 8) * 128 + 2048 * 2048 + 3 * 2048 * 6144;
    expect(layer).toBe((parameters * (4.5 + 1 / 16)) / 8 + 2 * 2048 * dtypeBytes.f32);
  });

  it('refuses a format that a provider cannot run', () => {
    expect(() => modelSizes(glm9b, 'bf16', 'f32', { provider: 'cpu' })).toThrow(/cpu provider cannot run bf16.*f32, int8, int4/);
  });
});
