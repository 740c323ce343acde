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
  });

  it('plans for GPUs that are not there', async () => {
    const opened = await openModel(checkpointFolder('tiny-edge'), {});
    const gpus = [0, 1].map((index) => ({ id: deviceId('cuda', index), name: 'GPU', provider: 'cuda' as const, freeBytes: 8192 * mebibyte }));
    const { plan } = planModel(opened, tinyLoadOptions('tiny-edge', '', { provider: 'auto', weights: 'auto', deviceMap: { kind: 'balanced' } }), [...gpus, ...cpu(1024 * mebibyte)]);
    expect(plan.stages.map((stage) => stage.device)).toEqual(['cuda:0', 'cuda:1']);
    expect(plan.weightFormat).toBe('bf16');
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
