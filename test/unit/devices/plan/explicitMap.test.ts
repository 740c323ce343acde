import { describe, expect, it } from 'vitest';
import { planPlacement } from '../../../../src/devices/plan/planPlacement';
import { device, int4, need, sizes } from './planBuilders';

const model = sizes({ numLayers: 4, embeddingBytes: 10, headBytes: 10 });
const devices = [device('cuda:0', 1000), device('cuda:1', 1000), device('cpu', 1000)];
const planMap = (map: Record<string, string | number>, on = devices) => planPlacement(model, on, need(), { kind: 'map', map }, int4);
const show = (map: Record<string, string | number>): string =>
  planMap(map)
    .stages.map((stage) => `${stage.device}:${stage.firstLayer}-${stage.endLayer}`)
    .join(' ');
const reason = (map: Record<string, string | number>, on = devices): string => {
  try {
    planMap(map, on);
  } catch (error) {
    const { fields, message } = error as { fields: { reason?: string }; message: string };
    return `${fields.reason}: ${message}`;
  }
  return 'no error';
};

describe('explicit device maps', () => {
  it('reads ranges in our form, last layer included', () => {
    expect(show({ 'model.layers.0-1': 'cuda:0', 'model.layers.2-3': 'cuda:1' })).toBe('cuda:0:0-2 cuda:1:2-4');
  });

  it('reads the Hugging Face form with numbers, strings, norms and heads', () => {
    const map = { 'model.embed_tokens': 0, 'model.layers.0': 0, 'model.layers.1': '0', 'model.layers.2': 'cuda:1', 'model.layers.3': 1, 'model.norm': 1, 'model.rotary_emb': 1, lm_head: 1 };
    expect(show(map)).toBe('cuda:0:0-2 cuda:1:2-4');
    expect(planMap(map).warnings).toEqual([]);
  });

  it.each([
    [{ '': 0 }, 'cuda:0:0-4'],
    [{ model: 'cuda:1', lm_head: 'cuda:1' }, 'cuda:1:0-4'],
    [{ 'model.layers': 1, 'model.embed_tokens': 1 }, 'cuda:1:0-4'],
    [{ transformer: 0 }, 'cuda:0:0-4'],
    [{ 'transformer.encoder.layers.0-2': 0, 'transformer.encoder.layers.3': 1 }, 'cuda:0:0-3 cuda:1:3-4'],
    [{ '': 0, 'model.layers.3': 'cpu' }, 'cuda:0:0-3 cpu:3-4'],
    [{ model: 0, 'model.layers': 1, 'model.layers.0': 0 }, 'cuda:0:0-1 cuda:1:1-4'],
  ])('lets the narrower name win: %j', (map, expected) => {
    expect(show(map as Record<string, string | number>)).toBe(expected);
  });

  it('makes several stages of a device that a map returns to', () => {
    expect(show({ 'model.layers.0': 0, 'model.layers.1-2': 1, 'model.layers.3': 0 })).toBe('cuda:0:0-1 cuda:1:1-3 cuda:0:3-4');
  });

  it('counts all stages of a device against its memory', () => {
    const small = [device('cuda:0', 215), device('cuda:1', 1000)];
    expect(() => planMap({ 'model.layers.0': 0, 'model.layers.1-2': 1, 'model.layers.3': 0 }, small)).toThrow('5 B more than cuda:0 has free');
  });

  it('keeps embedding and head beside their layers and says so (ChatGLM maps put the head on GPU 0)', () => {
    const result = planMap({ 'transformer.word_embeddings': 0, 'transformer.layers.0-1': 0, 'transformer.layers.2-3': 1, 'transformer.final_layernorm': 1, lm_head: 0 });
    expect(result.stages.map((stage) => stage.hasHead)).toEqual([false, true]);
    expect(result.warnings.map((warning) => warning.message.slice(0, 84))).toEqual(['"lm_head" is placed with the last layer on cuda:1, not on cuda:0 as the device map s']);
  });

  it.each([
    [{ 'model.layers.0-2': 0 }, 'gap: The device map has no device for layer 3 of 4'],
    [{ 'model.layers.1': 0 }, 'gap: The device map has no device for layers 0, 2-3 of 4'],
    [{ 'model.layers.0-2': 0, 'model.layers.2-3': 1 }, 'overlap: The device map puts layer 2 on two devices: "model.layers.0-2" on cuda:0, "model.layers.2-3" on cuda:1'],
    [{ '': 0, model: 1 }, 'overlap: The device map says two things about the whole model'],
    [{ '': 0, 'model.vision': 1 }, 'unknown-module: The device map names "model.vision"'],
    [{ '': 0, 'model.layers.1.mlp': 1 }, 'layer-split: The device map places a part of layer 1'],
    [{ 'model.layers.0-4': 0 }, 'layer-out-of-range: The device map names "model.layers.0-4", but this model\'s layers are 0 to 3'],
    [{ 'model.layers.3-0': 0 }, 'layer-out-of-range: The device map names "model.layers.3-0", whose last layer comes before its first one. Write it as "model.layers.0-3".'],
    [{ '': 'disk' }, 'disk-offload: The device of "" in the device map is "disk"'],
    [{ '': 'gpu' }, 'bad-device: The device of "" in the device map is "gpu"'],
    [{ '': -1 }, 'bad-device'],
    [{ '': 2 }, 'device-not-available: The device map puts "" on cuda:2, which is not available. Available: cuda:0, cuda:1 and cpu'],
  ])('refuses %j', (map, expected) => {
    expect(reason(map as Record<string, string | number>)).toContain(expected);
  });

  it('counts bare numbers among the GPUs of the provider in use', () => {
    const webgpu = [device('webgpu:0', 1000), device('cpu', 1000)];
    expect(planMap({ '': 0 }, webgpu).stages[0]?.device).toBe('webgpu:0');
  });

  it('says that the CPU cannot take bf16 layers', () => {
    const run = () => planPlacement(model, devices, need(), { kind: 'map', map: { '': 0, 'model.layers.0': 'cpu' } }, { weightFormat: 'bf16', kvFormat: 'bf16' });
    expect(run).toThrow('only GPUs run (bf16, f16)');
  });

  it('splits the longest run first when more stages are asked for than the map makes', () => {
    const result = planPlacement(model, devices, need(), { kind: 'map', map: { 'model.layers.0-2': 0, 'model.layers.3': 1 } }, int4, { numStages: 3 });
    expect(result.stages.map((stage) => `${stage.device}:${stage.firstLayer}-${stage.endLayer}`)).toEqual(['cuda:0:0-2', 'cuda:0:2-3', 'cuda:1:3-4']);
    expect(() => planPlacement(model, devices, need(), { kind: 'map', map: { 'model.layers.0-2': 0, 'model.layers.3': 1 } }, int4, { numStages: 1 })).toThrow('makes 2 stages, but 1 were asked for');
  });
});
