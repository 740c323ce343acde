import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { WeightFormat } from '../../../../../src/common/dtype';
import { writeDequantizedCheckpoint } from '../../../../../src/engine/worker/packing/dequantizeCheckpoint';
import { packCheckpoint } from '../../../../../src/engine/worker/packing/packCheckpoint';
import { openStages, type OpenStagesOptions, type StageRunner } from '../../../../../src/engine/worker/stages/openStages';
import { parseGlmConfig } from '../../../../../src/model/config';
import { precisionFor } from '../../../../../src/model/precision';
import { cpuPlan, fixtureFolder, openTiny, readReference, temporaryFolder, tinyNames, type OpenedTiny } from '../tinyCheckpoint';
import { readFileSync } from 'node:fs';

const cache = temporaryFolder();
const runners: StageRunner[] = [];
afterAll(async () => {
  await Promise.all(runners.map((runner) => runner.dispose()));
  cache.remove();
});

async function open({ config, tensors }: OpenedTiny, weights: WeightFormat, options: Partial<OpenStagesOptions> & { readonly numStages?: number } = {}): Promise<StageRunner> {
  const { numStages, ...rest } = options;
  const runner = await openStages({ config, tensors, plan: cpuPlan(config, weights, { numStages }), maxBatch: 4, cacheFolder: cache.path, cpuThreads: 1, ...rest });
  runners.push(runner);
  return runner;
}

const argmax = (row: Float32Array): number => row.reduce((best, value, index) => (value > (row[best] as number) ? index : best), 0);

/** Largest difference over the standard deviation of the reference. */
function deviation(logits: ArrayLike<number>, reference: ArrayLike<number>): number {
  const values = Array.from(reference);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const std = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  return Math.max(...values.map((value, index) => Math.abs(value - (logits[index] as number)))) / std;
}

async function prefill(runner: StageRunner, slot: number, ids: readonly number[]): Promise<Float32Array> {
  runner.rewindTo(slot, 0);
  let row: Float32Array | undefined;
  for (let start = 0; start < ids.length; start += runner.prefillChunkTokens) {
    const end = Math.min(ids.length, start + runner.prefillChunkTokens);
    row = await (await runner.prefill(slot, Int32Array.from(ids.slice(start, end)), end === ids.length))?.full();
  }
  return (row as Float32Array).slice();
}

async function greedy(runner: StageRunner, slots: readonly number[], prompts: readonly (readonly number[])[], count: number): Promise<number[][]> {
  const rows: number[][] = [];
  for (const [index, ids] of prompts.entries()) {
    rows.push([argmax(await prefill(runner, slots[index] as number, ids))]);
  }
  while ((rows[0] as number[]).length < count) {
    const logits = await runner.decode(rows.map((ids, index) => ({ slot: slots[index] as number, tokenId: ids[ids.length - 1] as number })));
    for (const [index, row] of logits.entries()) {
      (rows[index] as number[]).push(argmax(await row.full()));
    }
  }
  return rows;
}

describe.each(tinyNames)('%s in f32', (name) => {
  const reference = readReference(name);

  it.each([
    { numStages: 1, prefillChunkTokens: 256 },
    { numStages: 2, prefillChunkTokens: 256 },
    { numStages: 1, prefillChunkTokens: 7 },
  ])('agrees with transformers: $numStages stage(s), chunks of $prefillChunkTokens', async (options) => {
    const runner = await open(await openTiny(fixtureFolder(name)), 'f32', options);
    for (const { ids, logits, greedyIds, name: prompt } of reference.prompts) {
      expect(deviation(await prefill(runner, 0, ids), logits), `${prompt} logits`).toBeLessThan(2e-4);
      expect((await greedy(runner, [1], [ids], greedyIds.length))[0], `${prompt} greedy`).toEqual(greedyIds);
    }
    const batched = await greedy(runner, [3, 0, 1], reference.prompts.map((prompt) => prompt.ids), reference.prompts[0]?.greedyIds.length ?? 0);
    expect(batched).toEqual(reference.prompts.map((prompt) => prompt.greedyIds));
  });

  it('gives the logits of every position', async () => {
    const runner = await open(await openTiny(fixtureFolder(name)), 'f32');
    const prompt = reference.prompts[1] as (typeof reference.prompts)[number];
    const all = await runner.prefillAllLogits(0, Int32Array.from(prompt.ids));
    expect(all.length).toBe(prompt.ids.length * runner.vocabSize);
    expect(deviation(all.subarray(-runner.vocabSize), prompt.logits)).toBeLessThan(2e-4);
    const firstThree = await prefill(runner, 1, prompt.ids.slice(0, 3));
    expect(deviation(all.subarray(2 * runner.vocabSize, 3 * runner.vocabSize), firstThree)).toBeLessThan(2e-4);
  });
});

describe.each(tinyNames)('%s quantised', (name) => {
  it.each(['int8', 'int4'] as const)('%s computes what its dequantised weights give in f32', async (weights) => {
    const opened = await openTiny(fixtureFolder(name));
    const precision = precisionFor('cpu', weights, { accuracyLevel: 0 });
    const runner = await open(opened, weights, { accuracyLevel: 0 });
    const folder = join(cache.path, `${name}-${weights}`);
    writeDequantizedCheckpoint(opened.config, opened.tensors, precision, await packCheckpoint(opened.config, opened.tensors, precision, { cacheFolder: cache.path }), folder);
    const { readSafetensorsHeader } = await import('../../../../../src/checkpoint/safetensorsHeader');
    const tensors = new Map((await readSafetensorsHeader(join(folder, 'model.safetensors'))).tensors.map((tensor) => [tensor.name, tensor]));
    const config = parseGlmConfig(JSON.parse(readFileSync(join(fixtureFolder(name), 'config.json'), 'utf8')), tensors.keys());
    expect(config.hasTiedHead).toBe(false);
    const plain = await open({ folder, config, tensors }, 'f32');
    const fast = await open(opened, weights, { accuracyLevel: 4 });
    for (const { ids } of readReference(name).prompts) {
      const expected = await prefill(plain, 0, ids);
      expect(deviation(await prefill(runner, 0, ids), expected)).toBeLessThan(5e-3);
      // Int8 activations cost accuracy, but the model must remain the same one.
      expect(deviation(await prefill(fast, 0, ids), expected)).toBeLessThan(0.6);
    }
  });
});
