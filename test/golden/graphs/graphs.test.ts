import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseGlmConfig } from '../../../src/model/config';
import { precisionFor, type Precision } from '../../../src/model/precision';
import { buildStageGraph, type StageRange } from '../../../src/model/stageGraph';

/** Compares with the file beside this test; UPDATE_GOLDEN=1 rewrites it, and the diff is reviewed like code. */
function expectGolden(name: string, text: string): void {
  const path = join(__dirname, name);
  if (process.env.UPDATE_GOLDEN === '1' || !existsSync(path)) {
    writeFileSync(path, text);
    expect(process.env.CI, `${name} is missing; run with UPDATE_GOLDEN=1 and commit it`).toBeUndefined();
  }
  expect(text).toBe(readFileSync(path, 'utf8'));
}

function dump(checkpoint: string, precision: Precision, ranges: readonly StageRange[], source: 'initializers' | 'inputs' = 'initializers', options: Parameters<typeof buildStageGraph>[7] = {}): string {
  const json: unknown = JSON.parse(readFileSync(join(__dirname, '../../fixtures/checkpoints', checkpoint, 'config.json'), 'utf8'));
  const config = parseGlmConfig(json, checkpoint === 'tiny-edge' ? [] : ['lm_head.weight', 'transformer.output_layer.weight']);
  const located = { kind: 'initializers', locate: () => ({ location: 'weights', offset: 0, byteLength: 0 }) } as const;
  return ranges
    .map((range) => {
      if (source === 'inputs') {
        return buildStageGraph(config, range, precision, { kind: 'inputs' }, 16, () => 'bf16', undefined, options).graph.toText();
      }
      // Sizes are the builder's business; the dump shows names and types only.
      const withSizes = buildStageGraph(config, range, precision, { kind: 'inputs' }, 16, () => 'bf16');
      const sizes = new Map(withSizes.stored.map((stored) => [stored.name, stored.byteLength]));
      return buildStageGraph(config, range, precision, { ...located, locate: (name) => ({ ...located.locate(), byteLength: sizes.get(name) ?? 0 }) }, 16, () => 'bf16', undefined, options).graph.toText();
    })
    .join('\n');
}

describe('stage graphs', () => {
  const first = { firstLayer: 0, endLayer: 1, hasEmbedding: true, hasHead: false };
  const whole = (numLayers: number): StageRange => ({ firstLayer: 0, endLayer: numLayers, hasEmbedding: true, hasHead: true });

  it('glm4 in two stages, f32 on the CPU', () => {
    expectGolden('glm4-tiny-2stage.txt', dump('tiny-glm4', precisionFor('cpu', 'f32'), [first, { firstLayer: 1, endLayer: 3, hasEmbedding: false, hasHead: true }]));
  });

  it('glm-edge with a tied head, int4 on the CPU', () => {
    expectGolden('glm-edge-int4.txt', dump('tiny-edge', precisionFor('cpu', 'int4'), [whole(2)]));
  });

  it('chatglm, bf16 on CUDA with weights as inputs', () => {
    expectGolden('chatglm-cuda-bf16.txt', dump('tiny-chatglm', precisionFor('cuda', 'bf16'), [whole(2)], 'inputs'));
  });

  it('chatglm, bf16 on CUDA with an int8 cache', () => {
    const channels = (): Float32Array => new Float32Array(2 * 16).fill(0.1);
    const kvScales = [1, 2].map(() => ({ key: channels(), value: channels() }));
    expectGolden('chatglm-cuda-int8-cache.txt', dump('tiny-chatglm', precisionFor('cuda', 'bf16', { kv: 'int8' }), [{ firstLayer: 0, endLayer: 1, hasEmbedding: true, hasHead: false }], 'inputs', { kvScales }));
  });

  it('glm4 in two stages, bf16 on CUDA with operators of ours', () => {
    const precision = { ...precisionFor('cuda', 'bf16'), hasGatedSilu: true, hasSandwichNorm: true };
    expectGolden('glm4-cuda-operators.txt', dump('tiny-glm4', precision, [first, { firstLayer: 1, endLayer: 3, hasEmbedding: false, hasHead: true }], 'inputs'));
  });

  it('glm4, int4 with f16 activations on WebGPU', () => {
    expectGolden('glm4-webgpu-int4.txt', dump('tiny-glm4', { ...precisionFor('webgpu', 'int4'), hasGatedProduct: true }, [whole(3)]));
  });

  it('glm-edge, int4 on WebGPU where steps are captured: lengths are computed on the device', () => {
    const text = dump('tiny-edge', { ...precisionFor('webgpu', 'int4'), hasGatedProduct: true }, [whole(2)], 'initializers', { countsPositions: true });
    expectGolden('glm-edge-webgpu-captured.txt', text);
    expect(text).not.toContain('total_sequence_length');
  });
});
