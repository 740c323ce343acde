import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readSafetensorsHeader } from '../../../../../src/checkpoint/safetensorsHeader';
import type { WeightFormat } from '../../../../../src/common/dtype';
import { writeDequantizedCheckpoint } from '../../../../../src/engine/worker/packing/dequantizeCheckpoint';
import { packCheckpoint } from '../../../../../src/engine/worker/packing/packCheckpoint';
import { openStages, type StageRunner } from '../../../../../src/engine/worker/stages/openStages';
import { parseGlmConfig } from '../../../../../src/model/config';
import { precisionFor } from '../../../../../src/model/precision';
import { cpuPlan, fixtureFolder, openTiny, readReference, temporaryFolder, tinyNames, type OpenedTiny } from '../tinyCheckpoint';

// The graphs made for WebGPU in f16, run by the CPU provider: their arithmetic can be checked without a GPU.

const cache = temporaryFolder();
const runners: StageRunner[] = [];
afterAll(async () => {
  await Promise.all(runners.map((runner) => runner.dispose()));
  cache.remove();
});

async function open({ config, tensors }: OpenedTiny, weights: WeightFormat, provider: 'cpu' | 'webgpu'): Promise<StageRunner> {
  const plan = cpuPlan(config, weights);
  const stages = plan.stages.map((stage) => ({ ...stage, provider }));
  const activations = provider === 'webgpu' ? 'f16' : undefined;
  const runner = await openStages({ config, tensors, plan: { ...plan, stages }, maxBatch: 1, cacheFolder: cache.path, cpuThreads: 1, activations });
  runners.push(runner);
  return runner;
}

async function prefill(runner: StageRunner, ids: readonly number[]): Promise<Float32Array> {
  runner.rewindTo(0, 0);
  return (await (await runner.prefill(0, Int32Array.from(ids), true))?.full()) as Float32Array;
}

function rmsDeviation(logits: Float32Array, reference: ArrayLike<number>, std: number): number {
  return Math.sqrt(Array.from(reference).reduce((sum, value, index) => sum + (value - (logits[index] as number)) ** 2, 0) / reference.length) / std;
}

/** f16 keeps 11 bits: transformers itself drifts by about this much in f16 on checkpoints of this size. */
const tolerance = 0.01;

describe.each(tinyNames)('%s in f16 with an f32 residual', (name) => {
  it('stays close to transformers with f16 weights', async () => {
    const runner = await open(await openTiny(fixtureFolder(name)), 'f16', 'webgpu');
    for (const { ids, logits, logitsStd } of readReference(name).prompts) {
      expect(rmsDeviation(await prefill(runner, ids), logits, logitsStd)).toBeLessThan(tolerance);
    }
  });

  it.each(['int4', 'int8'] as const)('stays close to its dequantised weights with %s weights', async (weights) => {
    const opened = await openTiny(fixtureFolder(name));
    const precision = precisionFor('webgpu', weights, { activations: 'f16' });
    const packed = await packCheckpoint(opened.config, opened.tensors, precision, { cacheFolder: cache.path });
    const folder = join(cache.path, `${name}-${weights}`);
    writeDequantizedCheckpoint(opened.config, opened.tensors, precision, packed, folder);
    const tensors = new Map((await readSafetensorsHeader(join(folder, 'model.safetensors'))).tensors.map((tensor) => [tensor.name, tensor]));
    const config = parseGlmConfig(JSON.parse(readFileSync(join(fixtureFolder(name), 'config.json'), 'utf8')), tensors.keys());
    const [runner, plain] = [await open(opened, weights, 'webgpu'), await open({ folder, config, tensors }, 'f32', 'cpu')];
    for (const { ids, logitsStd } of readReference(name).prompts) {
      const expected = (await prefill(plain, ids)).slice();
      expect(rmsDeviation(await prefill(runner, ids), expected, logitsStd)).toBeLessThan(tolerance);
    }
  });
});

describe('GLM-4-0414 in f16', () => {
  it('survives outputs beyond 65,504, which a sandwich norm brings back', async () => {
    const opened = await openTiny(fixtureFolder('tiny-glm4'));
    const folder = join(cache.path, 'loud');
    const precision = precisionFor('cpu', 'int8');
    writeDequantizedCheckpoint(opened.config, opened.tensors, precision, await packCheckpoint(opened.config, opened.tensors, precision, { cacheFolder: cache.path }), folder);
    const path = join(folder, 'model.safetensors');
    const { tensors } = await readSafetensorsHeader(path);
    // Louder by so much that down_proj's outputs pass f16's range, though not 32 times that; the norms after them ignore scale.
    const loudness = 200_000;
    const bytes = readFileSync(path);
    for (const tensor of tensors.filter(({ name }) => name.endsWith('down_proj.weight'))) {
      for (let at = tensor.fileOffset; at < tensor.fileOffset + tensor.byteLength; at += 4) {
        bytes.writeFloatLE(bytes.readFloatLE(at) * loudness, at);
      }
    }
    writeFileSync(path, bytes);
    const loud: OpenedTiny = { folder, config: opened.config, tensors: new Map((await readSafetensorsHeader(path)).tensors.map((tensor) => [tensor.name, tensor])) };
    const [plain, half] = [await open(loud, 'f32', 'cpu'), await open(loud, 'int8', 'webgpu')];
    const { ids, logitsStd } = readReference('tiny-glm4').prompts[1] as ReturnType<typeof readReference>['prompts'][number];
    const expected = (await prefill(plain, ids)).slice();
    const actual = await prefill(half, ids);
    expect([...actual].every(Number.isFinite)).toBe(true);
    expect(rmsDeviation(actual, expected, logitsStd)).toBeLessThan(0.1);
  });
});
