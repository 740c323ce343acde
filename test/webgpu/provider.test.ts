import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { deviceId } from '../../src/common/deviceId';
import type { WeightFormat } from '../../src/common/dtype';
import type { PlacementPlan } from '../../src/common/placement';
import { deviationOf } from '../../src/engine/worker/stages/logitDeviation';
import { isLongPrefillSound, measureLongPrefill } from '../../src/engine/worker/stages/prefillCheck';
import { openStages, type OpenStagesOptions, type StageRunner } from '../../src/engine/worker/stages/openStages';
import type { GlmConfig } from '../../src/model/config';
import { listWebgpuBudgets } from '../../src/engine/worker/webgpuBudgets';
import { listVulkanAdapters, preferredVulkanAdapter } from '../../src/ort/vulkanAdapters';
import { writeDequantized } from '../gpu/dequantized';
import { cpuPlan, fixtureFolder, openTiny, readReference, temporaryFolder, tinyNames, type TinyName } from '../unit/engine/worker/tinyCheckpoint';

const cache = temporaryFolder();
afterAll(() => cache.remove());

function webgpuPlan(config: GlmConfig, weights: WeightFormat, numStages: number): PlacementPlan {
  const plan = cpuPlan(config, weights, { numStages });
  return { ...plan, stages: plan.stages.map((stage) => ({ ...stage, device: deviceId('webgpu'), provider: 'webgpu' as const })) };
}

async function onWebgpu<T>(name: TinyName, weights: WeightFormat, numStages: number, work: (runner: StageRunner) => Promise<T>, options: Partial<OpenStagesOptions> = {}): Promise<T> {
  const opened = await openTiny(fixtureFolder(name));
  const runner = await openStages({ ...opened, plan: webgpuPlan(opened.config, weights, numStages), maxBatch: 2, cacheFolder: cache.path, activations: 'f32', allowSoftwareGpu: true, ...options });
  try {
    return await work(runner);
  } finally {
    await runner.dispose();
  }
}

async function lastLogits(runner: StageRunner, ids: readonly number[]): Promise<Float32Array> {
  runner.rewindTo(0, 0);
  let row: Float32Array = new Float32Array();
  for (let start = 0; start < ids.length; start += runner.prefillChunkTokens) {
    row = (await (await runner.prefill(0, Int32Array.from(ids.slice(start, start + runner.prefillChunkTokens)), true))?.full()) ?? row;
  }
  return row.slice();
}

const adapter = preferredVulkanAdapter();

describe.skipIf(adapter?.kind !== 'software')('a machine whose only adapter is a rasteriser', () => {
  it('offers it only when WebGPU is asked for by name and software is allowed', async () => {
    expect(await listWebgpuBudgets({ provider: 'auto', allowSoftwareGpu: true })).toEqual([]);
    expect(await listWebgpuBudgets({ provider: 'webgpu', allowSoftwareGpu: false })).toEqual([]);
    const [budget] = await listWebgpuBudgets({ provider: 'webgpu', allowSoftwareGpu: true });
    expect(budget).toMatchObject({ id: 'webgpu:0', name: adapter?.name });
    expect(budget?.freeBytes).toBeGreaterThan(0);
  });

  it('refuses to run on it unasked, naming it', async () => {
    const opened = await openTiny(fixtureFolder('tiny-glm'));
    const open = openStages({ ...opened, plan: webgpuPlan(opened.config, 'f32', 1), maxBatch: 1, cacheFolder: cache.path });
    await expect(open).rejects.toMatchObject({ code: 'webgpu-software-only', message: expect.stringContaining(listVulkanAdapters()?.[0]?.name ?? '?') });
  });
});

describe('the WebGPU provider', () => {
  it('has an adapter to be tested on', () => {
    expect(adapter, `install Debian's chromium and libvulkan1, or set VK_ICD_FILENAMES`).toBeDefined();
  });

  it.each(tinyNames.flatMap((name) => [1, ...(name === 'tiny-edge' ? [2] : [])].map((numStages) => [name, numStages] as const)))('%s agrees with transformers in f32, %i stage(s)', async (name, numStages) => {
    await onWebgpu(name, 'f32', numStages, async (runner) => {
      for (const { ids, logits, logitsStd } of readReference(name).prompts) {
        const row = await lastLogits(runner, ids);
        expect(Math.max(...logits.map((expected, index) => Math.abs(expected - (row[index] as number)) / logitsStd))).toBeLessThan(2e-4);
      }
      expect(isLongPrefillSound(await measureLongPrefill(runner))).toBe(true);
      // Slots have tensors of their own here, so a batch is decoded row by row: the same token in the same state gives the same logits.
      [0, 1].forEach((slot) => runner.rewindTo(slot, 0));
      await runner.prefill(0, Int32Array.of(1, 2, 3), false);
      await runner.prefill(1, Int32Array.of(1, 2, 3), false);
      const [first, second] = await runner.decode([
        { slot: 0, tokenId: 7 },
        { slot: 1, tokenId: 7 },
      ]);
      expect(await second?.full()).toEqual(await first?.full());
      expect(runner.assignments()[0]?.inputMemory['past.0.key']).toMatch(/^WebGPU_Buf/);
    });
  });

  it.each(tinyNames)('%s in int4 agrees with its dequantised weights on the CPU', async (name) => {
    const folder = await writeDequantized(fixtureFolder(name), 'webgpu', 'int4', 'f32');
    const { prompts } = readReference(name);
    const expected: Float32Array[] = [];
    const dense = await openTiny(folder);
    const reference = await openStages({ ...dense, plan: cpuPlan(dense.config, 'f32'), maxBatch: 1, cacheFolder: cache.path, cpuThreads: 1 });
    try {
      for (const { ids } of prompts) {
        expected.push(await lastLogits(reference, ids));
      }
    } finally {
      await reference.dispose();
      rmSync(dirname(folder), { recursive: true, force: true });
    }
    await onWebgpu(name, 'int4', 1, async (runner) => {
      for (const [index, { ids }] of prompts.entries()) {
        expect(deviationOf(await lastLogits(runner, ids), expected[index] as Float32Array)).toBeLessThan(5e-3);
      }
    });
  });

  it('replays captured decode steps with the logits of steps encoded anew, in every slot', async () => {
    const messages: string[] = [];
    const log = { log: (_level: string, _source: string, message: string) => void messages.push(message) };
    const decodeBoth = async (runner: StageRunner): Promise<Float32Array[]> => {
      const rows: Float32Array[] = [];
      for (const slot of [0, 1]) {
        await runner.prefill(slot, Int32Array.of(1, 2, 3 + slot), false);
        for (const tokenId of [7, 9, 4, 21]) {
          const [logits] = await runner.decode([{ slot, tokenId: tokenId + slot }]);
          rows.push(Float32Array.from((await logits?.full()) ?? []));
        }
      }
      return rows;
    };
    const expected = await onWebgpu('tiny-glm4', 'int4', 1, decodeBoth, { captureDecode: false });
    const rows = await onWebgpu('tiny-glm4', 'int4', 1, decodeBoth, { log });
    expect(messages.filter((message) => /decode steps/i.test(message))).toEqual(['Decode steps are captured and replayed.']);
    rows.forEach((row, index) => expect(deviationOf(row, expected[index] as Float32Array)).toBeLessThan(1e-4));
  });
});
