import { describe, expect, it } from 'vitest';
import { cpuDevice, deviceId } from '../../../../src/common/deviceId';
import { openModel, planModel } from '../../../../src/engine/worker/planModel';
import { checkpointFolder, tinyLoadOptions } from '../../../fakes/checkpoints';

const mebibyte = 1024 ** 2;
const cpu = (freeBytes: number) => [{ id: cpuDevice, name: 'CPU', provider: 'cpu' as const, freeBytes }];

describe('planModel', () => {
  it('describes a checkpoint and places all of it', async () => {
    const opened = await openModel(checkpointFolder('tiny-glm4'), {});
    expect(opened.description).toMatchObject({ name: 'tiny-glm4', architecture: 'glm4', numLayers: 3, headDim: 32, fileDtype: 'bf16', isDemo: false, maxContextTokens: 2048 });
    const { plan, formats } = planModel(opened, tinyLoadOptions('tiny-glm4', ''), cpu(1024 * mebibyte));
    expect(formats).toEqual({ provider: 'cpu', weights: 'f32', kvCache: 'f32' });
    expect(plan.stages.map((stage) => [stage.firstLayer, stage.endLayer])).toEqual([[0, 3]]);
    expect(plan.contextTokens).toBe(2048);
    expect(plan.warnings).toEqual([]);
  });

  it('lowers a context nobody asked for, and says so', async () => {
    const opened = await openModel(checkpointFolder('tiny-glm'), {});
    const roomy = planModel(opened, tinyLoadOptions('tiny-glm', ''), cpu(1024 * mebibyte)).plan;
    expect(roomy.contextTokens).toBe(8192);
    const tight = planModel(opened, tinyLoadOptions('tiny-glm', ''), cpu(195 * mebibyte)).plan;
    expect(tight.contextTokens).toBeLessThan(8192);
    expect(tight.warnings.map((warning) => warning.code)).toEqual(['context-lowered']);
  });

  it('refuses a context that was asked for and does not fit, with the largest that would', async () => {
    const opened = await openModel(checkpointFolder('tiny-glm'), {});
    const options = tinyLoadOptions('tiny-glm', '', { contextTokens: 100_000 });
    expect(() => planModel(opened, options, cpu(195 * mebibyte))).toThrow(expect.objectContaining({ code: 'model-does-not-fit' }));
  });

  it('warns of a context beyond the one the model was made for', async () => {
    const opened = await openModel(checkpointFolder('tiny-glm4'), {});
    const { plan } = planModel(opened, tinyLoadOptions('tiny-glm4', '', { contextTokens: 4096 }), cpu(1024 * mebibyte));
    expect(plan.contextTokens).toBe(4096);
    expect(plan.warnings.map((warning) => warning.code)).toEqual(['context-beyond-model']);
    // What was asked for lies beyond the model's own limit and fits, so that limit is not the largest context.
    expect(plan.largestContextTokens).toBeGreaterThan(4096);
    expect(planModel(opened, tinyLoadOptions('tiny-glm4', '', { contextTokens: 2048 }), cpu(1024 * mebibyte)).plan.largestContextTokens).toBe(2048);
    expect(() => planModel(opened, tinyLoadOptions('tiny-glm4', '', { contextTokens: 10 ** 9 }), cpu(1024 * mebibyte))).toThrow(expect.objectContaining({ largestContextTokens: 2048 }));
  });

  it('refuses a context without room for an answer', async () => {
    const opened = await openModel(checkpointFolder('tiny-glm4'), {});
    expect(() => planModel(opened, tinyLoadOptions('tiny-glm4', '', { contextTokens: 1 }), cpu(1024 * mebibyte))).toThrow(expect.objectContaining({ code: 'context-too-short' }));
    expect(() => planModel({ ...opened, config: { ...opened.config, maxContextTokens: 1 } }, tinyLoadOptions('tiny-glm4', ''), cpu(1024 * mebibyte))).toThrow(expect.objectContaining({ code: 'context-too-short' }));
    expect(planModel(opened, tinyLoadOptions('tiny-glm4', '', { contextTokens: 2 }), cpu(1024 * mebibyte)).plan.contextTokens).toBe(2);
  });

  it('plans for GPUs that are not there', async () => {
    const opened = await openModel(checkpointFolder('tiny-edge'), {});
    const gpus = [0, 1].map((index) => ({ id: deviceId('cuda', index), name: 'GPU', provider: 'cuda' as const, freeBytes: 8192 * mebibyte }));
    const { plan } = planModel(opened, tinyLoadOptions('tiny-edge', '', { provider: 'auto', weights: 'auto', deviceMap: { kind: 'balanced' } }), [...gpus, ...cpu(1024 * mebibyte)]);
    expect(plan.stages.map((stage) => stage.device)).toEqual(['cuda:0', 'cuda:1']);
    expect(plan.weightFormat).toBe('bf16');
  });

  it('names tensors that the configuration leaves out, but not those that are computed from it', async () => {
    const opened = await openModel(checkpointFolder('tiny-glm4'), {});
    const warningsOf = (changes: object, more: readonly string[] = []) => {
      const [any] = opened.checkpoint.tensors.values();
      const tensors = new Map([...opened.checkpoint.tensors, ...more.map((name) => [name, any as NonNullable<typeof any>] as const)]);
      return planModel({ checkpoint: { ...opened.checkpoint, tensors }, config: { ...opened.config, ...changes } }, tinyLoadOptions('tiny-glm4', ''), cpu(1024 * mebibyte)).plan.warnings.map((warning) => warning.message);
    };
    expect(warningsOf({}, ['model.rotary_emb.inv_freq', 'model.layers.0.self_attn.rotary_emb.inv_freq', 'transformer.rotary_pos_emb.inv_freq'])).toEqual([]);
    expect(warningsOf({ hasQkvBias: false })).toEqual([expect.stringMatching(/^9 tensors of the checkpoint are not used: "model\.layers\.0\.self_attn\.[kqv]_proj\.bias", .* and others\./) as string]);
    expect(warningsOf({}, ['model.layers.3.mlp.down_proj.weight'])).toEqual([expect.stringContaining('A tensor of the checkpoint is not used: "model.layers.3.mlp.down_proj.weight".') as string]);
  });

  describe('beside GPUs that are a little too small', () => {
    /** A model as large as GLM-4-9B, of which only sizes matter. */
    const opened9b = async () => {
      const opened = await openModel(checkpointFolder('tiny-glm4'), {});
      return { ...opened, config: { ...opened.config, numLayers: 40, hiddenSize: 4096, intermediateSize: 13_696, numHeads: 32, numKvHeads: 2, headDim: 128, rotaryDim: 64, vocabSize: 151_552, maxContextTokens: 32_768 } };
    };
    const machine = (...gibibytes: readonly number[]) => [...gibibytes.map((size, index) => ({ id: deviceId('cuda', index), name: 'GPU', provider: 'cuda' as const, freeBytes: size * 1024 * mebibyte })), ...cpu(64 * 1024 * mebibyte)];
    const planFor = async (gibibytes: readonly number[], changes: object) => planModel(await opened9b(), tinyLoadOptions('tiny-glm4', '', { provider: 'auto', weights: 'bf16', maxBatch: 1, ...changes }), machine(...gibibytes)).plan;

    it('gives up a little context rather than layers to the CPU', async () => {
      const plan = await planFor([10, 11.2], {});
      expect(plan.stages.map((stage) => stage.device)).toEqual(['cuda:0', 'cuda:1']);
      expect(plan.contextTokens).toBeGreaterThan(25_000);
      expect(plan.warnings.map((warning) => [warning.code, warning.message])).toEqual([['context-lowered', expect.stringContaining('more would put layers on the CPU') as string]]);
      expect(plan.largestContextTokens).toBe(32_768);
    });

    it('gives layers to the CPU where the context was asked for, or next to none would be left', async () => {
      expect((await planFor([10, 11.2], { contextTokens: 32_768 })).stages.map((stage) => stage.device)).toContain('cpu');
      expect((await planFor([9.7, 9.9], {})).stages.map((stage) => stage.device)).toContain('cpu');
      expect((await planFor([10, 11.2], { provider: 'cuda', weights: 'int4', includeDevices: ['cpu'] })).stages.map((stage) => stage.device)).toEqual(['cpu']);
    });

    it('takes narrower weights where automatic ones would need the CPU, or do not fit the one device asked for', async () => {
      const formatOf = async (gibibytes: readonly number[], changes: object) => {
        const plan = await planFor(gibibytes, { weights: 'auto', ...changes });
        return [plan.weightFormat, ...new Set(plan.stages.map((stage) => stage.device))];
      };
      expect(await formatOf([24, 12], { maxMemoryBytes: { 0: 10 * 1024 * mebibyte, 1: 8 * 1024 * mebibyte } })).toEqual(['int8', 'cuda:0', 'cuda:1']);
      expect(await formatOf([24, 12], { deviceMap: { kind: 'single', device: 'cuda:1' } })).toEqual(['int4', 'cuda:1']);
      expect(await formatOf([24, 12], { deviceMap: { kind: 'map', map: { 'model.layers.0-3': 0, 'model.layers.4-39': 1 } } })).toEqual(['int8', 'cuda:0', 'cuda:1']);
      expect(await formatOf([24], { contextTokens: 200_000 })).toEqual(['int8', 'cuda:0']);
    });
  });

  it('holds devices to include and exclude against those of every provider', async () => {
    const opened = await openModel(checkpointFolder('tiny-edge'), {});
    const gpu = { id: deviceId('cuda'), name: 'GPU', provider: 'cuda' as const, freeBytes: 8192 * mebibyte };
    const planWith = (changes: object) => () => planModel(opened, tinyLoadOptions('tiny-edge', '', { provider: 'auto', ...changes }), [gpu, ...cpu(1024 * mebibyte)]);
    expect(planWith({ includeDevices: [deviceId('cuda', 5)] })).toThrow('Available: cuda:0 and cpu.');
    expect(planWith({ excludeDevices: [gpu.id, cpuDevice] })).toThrow('The settings leave none of cuda:0 and cpu.');
  });

  it('counts an int8 cache at half of bf16, with one layer widened beside it', async () => {
    const opened = await openModel(checkpointFolder('tiny-edge'), {});
    const gpus = [{ id: deviceId('cuda'), name: 'GPU', provider: 'cuda' as const, freeBytes: 8192 * mebibyte }];
    const stageOf = (kvCache: 'auto' | 'int8') =>
      planModel(opened, tinyLoadOptions('tiny-edge', '', { provider: 'cuda', weights: 'bf16', kvCache, maxBatch: 3, contextTokens: 1000 }), gpus).plan.stages[0];
    const [plain, short] = [stageOf('auto'), stageOf('int8')];
    const { numKvHeads, headDim, numLayers } = opened.config;
    expect(plain?.kvBytes).toBe(2 * 3 * 1000 * numLayers * numKvHeads * headDim * 2);
    expect(short?.kvBytes).toBe((plain?.kvBytes ?? NaN) / 2);
    expect((short?.activationBytes ?? NaN) - (plain?.activationBytes ?? NaN)).toBe((plain?.kvBytes ?? NaN) / numLayers);
  });

  it('reads long prompts in long chunks on GPUs where that costs neither layers nor context', async () => {
    const opened = await openModel(checkpointFolder('tiny-edge'), {});
    const gpus = (count: number, freeBytes: number) => Array.from({ length: count }, (_, index) => ({ id: deviceId('cuda', index), name: 'GPU', provider: 'cuda' as const, freeBytes }));
    const planFor = (count: number, freeBytes: number) => planModel(opened, tinyLoadOptions('tiny-edge', '', { provider: 'cuda', weights: 'bf16', deviceMap: { kind: 'balanced' } }), [...gpus(count, freeBytes), ...cpu(1024 * mebibyte)]);
    const roomy = planFor(1, 8192 * mebibyte);
    expect(roomy.prefillChunkTokens).toBe(2048);
    expect(planFor(2, 8192 * mebibyte).prefillChunkTokens).toBe(1024);
    const wholeBytes = roomy.plan.stages.reduce((sum, stage) => sum + stage.weightBytes + stage.kvBytes + stage.activationBytes, 1024 * mebibyte);
    const tight = planFor(1, wholeBytes - 1);
    expect(tight.prefillChunkTokens).toBe(512);
    expect(tight.plan.contextTokens).toBe(roomy.plan.contextTokens);
  });

  it('lets chunks grow from short ones only where the GPU may be slow', async () => {
    const opened = await openModel(checkpointFolder('tiny-edge'), {});
    const planOn = (provider: 'cuda' | 'webgpu') => planModel(opened, tinyLoadOptions('tiny-edge', '', { provider, weights: 'int4' }), [{ id: deviceId(provider, 0), name: 'GPU', provider, freeBytes: 8192 * mebibyte }, ...cpu(1024 * mebibyte)]);
    expect(planOn('webgpu')).toMatchObject({ prefillChunkTokens: 2048, firstChunkTokens: 512 });
    expect(planOn('cuda').firstChunkTokens).toBeUndefined();
  });
});
