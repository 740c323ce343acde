import { existsSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { deviceId } from '../../../../../src/common/deviceId';
import type { WeightFormat } from '../../../../../src/common/dtype';
import type { PlacementPlan } from '../../../../../src/common/placement';
import { deviationOf } from '../../../../../src/engine/worker/stages/logitDeviation';
import { isLongPrefillSound, measureLongPrefill } from '../../../../../src/engine/worker/stages/prefillCheck';
import { openStages, type StageRunner } from '../../../../../src/engine/worker/stages/openStages';
import { listWebgpuBudgets } from '../../../../../src/engine/worker/webgpuBudgets';
import type { GlmConfig } from '../../../../../src/model/config';
import { listVulkanAdapters, preferredVulkanAdapter, type VulkanAdapter } from '../../../../../src/ort/vulkanAdapters';
import { cpuPlan, fixtureFolder, openTiny, readReference, temporaryFolder } from '../tinyCheckpoint';

/** Debian's chromium package brings a software Vulkan driver that the provider accepts. GLM_TEST_WEBGPU=1 turns its absence into a failure. */
const swiftShader = '/usr/lib/chromium/vk_swiftshader_icd.json';
if (process.env.VK_ICD_FILENAMES === undefined && existsSync(swiftShader)) {
  process.env.VK_ICD_FILENAMES = swiftShader;
}
const adapter = preferredVulkanAdapter();
// Compiling shaders in software takes tens of seconds, so the runs are for `npm test`, which sets the variable, not for every check.
const isWanted = process.env.GLM_TEST_WEBGPU === '1';

const cache = temporaryFolder();
afterAll(() => cache.remove());

function webgpuPlan(config: GlmConfig, weights: WeightFormat, numStages: number): PlacementPlan {
  const plan = cpuPlan(config, weights, { numStages });
  return { ...plan, stages: plan.stages.map((stage) => ({ ...stage, device: deviceId('webgpu'), provider: 'webgpu' as const })) };
}

async function deviationFromReference(runner: StageRunner, reference: ReturnType<typeof readReference>): Promise<number> {
  let largest = 0;
  for (const { ids, logits, logitsStd } of reference.prompts) {
    runner.rewindTo(0, 0);
    let row: Float32Array = new Float32Array();
    for (let start = 0; start < ids.length; start += runner.prefillChunkTokens) {
      row = (await (await runner.prefill(0, Int32Array.from(ids.slice(start, start + runner.prefillChunkTokens)), true))?.full()) ?? row;
    }
    logits.forEach((expected, index) => (largest = Math.max(largest, Math.abs(expected - (row[index] as number)) / logitsStd)));
  }
  return largest;
}

describe('preferredVulkanAdapter', () => {
  const adapters: VulkanAdapter[] = (['software', 'integrated', 'discrete'] as const).map((kind) => ({ name: kind, kind, vendorId: 0, hasF16: true, memoryBytes: 1 }));

  it('takes a real GPU before a rasteriser, the discrete one first', () => {
    expect(preferredVulkanAdapter(adapters)?.name).toBe('discrete');
    expect(preferredVulkanAdapter(adapters.slice(0, 2))?.name).toBe('integrated');
    expect(preferredVulkanAdapter(adapters.slice(0, 1))?.name).toBe('software');
    expect(preferredVulkanAdapter([])).toBeUndefined();
  });
});

describe.skipIf(process.platform !== 'linux' || adapter?.kind !== 'software')('a machine whose only adapter is a rasteriser', () => {
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

describe.runIf(isWanted)('the WebGPU provider', () => {
  it('has an adapter to be tested on', () => {
    expect(adapter, `install Debian's chromium and libvulkan1, or set VK_ICD_FILENAMES`).toBeDefined();
  });

  it.each([
    ['tiny-glm4', 1],
    ['tiny-edge', 2],
  ] as const)(
    '%s agrees with transformers in f32, %i stage(s)',
    async (name, numStages) => {
      const opened = await openTiny(fixtureFolder(name));
      const runner = await openStages({
        ...opened,
        plan: webgpuPlan(opened.config, 'f32', numStages),
        maxBatch: 2,
        cacheFolder: cache.path,
        activations: 'f32',
        allowSoftwareGpu: true,
      });
      try {
        expect(await deviationFromReference(runner, readReference(name))).toBeLessThan(2e-4);
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
        const [assignment] = runner.assignments();
        expect(assignment?.inputMemory['past.0.key']).toMatch(/^WebGPU_Buf/);
      } finally {
        await runner.dispose();
      }
    },
    300_000,
  );

  it('replays captured decode steps with the logits of steps encoded anew, in every slot', async () => {
    const opened = await openTiny(fixtureFolder('tiny-glm4'));
    const messages: string[] = [];
    const open = (captureDecode: boolean): Promise<StageRunner> =>
      openStages({
        ...opened,
        plan: webgpuPlan(opened.config, 'int4', 1),
        maxBatch: 2,
        cacheFolder: cache.path,
        activations: 'f32',
        allowSoftwareGpu: true,
        captureDecode,
        log: { log: (_level, _source, message) => void messages.push(message) },
      });
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
    const encoded = await open(false);
    const expected = await decodeBoth(encoded).finally(() => encoded.dispose());
    const replayed = await open(true);
    const rows = await decodeBoth(replayed).finally(() => replayed.dispose());
    expect(messages.filter((message) => /decode steps/i.test(message))).toEqual(['Decode steps are captured and replayed.']);
    rows.forEach((row, index) => expect(deviationOf(row, expected[index] as Float32Array)).toBeLessThan(1e-4));
  }, 300_000);
});
