/**
 * WebGPU on a real GPU, through Vulkan: which adapter, the tiny checkpoints, and the speed of a large model (webgpuSpeed.ts).
 * `node dist/testGpu.js webgpu`; the loader needs `VK_DRIVER_FILES` (or `VK_ICD_FILENAMES`) where the driver's manifest is not where it looks.
 */

import type { LoadOptions } from '../../src/common/protocol/engine';
import { listVulkanAdapters, preferredVulkanAdapter } from '../../src/ort/vulkanAdapters';
import { writeDequantized } from './dequantized';
import { generate, loadOptions, openEngine, tinyCheckpoints, type TinyCheckpoint } from './engineFixture';
import type { GpuCheck } from './harness';
import { compareLogits } from './logitDrift';
import { measureWebgpuSpeed } from './webgpuSpeed';

/** Over the logits' standard deviation; f16 has eight times the steps of bf16, with which transformers drifts by 0.012 to 0.033. */
const mostDrift = 0.03;

/** For trying this file on a machine without a GPU. */
const allowsSoftware = process.env.GLM_ALLOW_SOFTWARE_GPU === '1';

const webgpuOptions = (source: string, changes: Partial<LoadOptions> = {}): LoadOptions => loadOptions(source, { provider: 'webgpu', weights: 'int4', ...changes, allowSoftwareGpu: allowsSoftware });

const adapters: GpuCheck = {
  devices: 0,
  name: 'webgpu: the Vulkan loader offers a real GPU',
  run: () => {
    const listed = listVulkanAdapters();
    const best = preferredVulkanAdapter(listed);
    if (best === undefined) {
      throw new Error(listed === undefined ? 'libvulkan.so.1 is not there' : `the loader found no adapter; VK_DRIVER_FILES=${process.env.VK_DRIVER_FILES ?? ''}`);
    }
    if (best.kind === 'software' && !allowsSoftware) {
      throw new Error(`"${best.name}" draws in software`);
    }
    return Promise.resolve(JSON.stringify(listed));
  },
};

/** Logits after each prompt and after some tokens of its continuation, and what the model itself generates. */
async function answersOf(options: LoadOptions, tiny: TinyCheckpoint): Promise<{ readonly rows: readonly (readonly number[])[]; readonly ids: readonly number[][] }> {
  const engine = openEngine();
  try {
    await engine.request('model-load', options);
    const rows: (readonly number[])[] = [];
    const ids: number[][] = [];
    for (const prompt of tiny.prompts) {
      for (const taken of [0, 5]) {
        rows.push((await engine.request('logits', { ids: [...prompt.ids, ...prompt.greedyIds.slice(0, taken)] })).logits);
      }
      ids.push([...(await generate(engine, prompt.ids, 16)).ids]);
    }
    return { rows, ids };
  } finally {
    await engine.end();
  }
}

const parity = tinyCheckpoints().map(
  (tiny): GpuCheck => ({
    devices: 0,
    name: `webgpu: ${tiny.name}, int4 against its dequantised weights in f32 on the CPU`,
    async run() {
      const dequantized = await writeDequantized(tiny.folder, 'webgpu', 'int4');
      const expected = await answersOf(loadOptions(dequantized, { provider: 'cpu', weights: 'f32' }), tiny);
      const found = await answersOf(webgpuOptions(tiny.folder), tiny);
      const drift = Math.max(...found.rows.map((row, index) => compareLogits(row, expected.rows[index] ?? []).rms));
      const total = expected.ids.flat().length;
      const same = found.ids.flat().filter((id, index) => id === expected.ids.flat()[index]).length;
      const detail = `rms ${drift.toExponential(2)} standard deviations; ${same} of ${total} generated tokens equal`;
      // Ties part in f16, and everything after such a token differs.
      if (!(drift <= mostDrift) || same < total / 2) {
        throw new Error(detail);
      }
      return detail;
    },
  }),
);

const big = process.env.GLM_BIG_CHECKPOINT;
const speedOptions = (): LoadOptions => webgpuOptions(big ?? '', { contextTokens: Number(process.env.GLM_CONTEXT_TOKENS ?? 16_384) });

const speed: GpuCheck = {
  devices: 0,
  name: 'webgpu: speed of a large model in int4',
  run: () => measureWebgpuSpeed(speedOptions(), (line) => void process.stdout.write(`${line}\n`)),
};

const engineSpeed: GpuCheck = {
  devices: 0,
  name: 'webgpu: a large model in int4 through the engine',
  async run() {
    const engine = openEngine();
    try {
      const startedMs = performance.now();
      const { memory } = await engine.request('model-load', speedOptions());
      const loadMs = Math.round(performance.now() - startedMs);
      const runs: { readonly ttftMs?: number; readonly tpotMs?: number }[] = [];
      for (let run = 0; run < 4; run += 1) {
        const ids = Array.from({ length: 512 }, (_, index) => 100 + ((index * 7919 + run * 104_729) % 50_000));
        const { ttftMs, tpotMs } = await generate(engine, ids, 128);
        runs.push({ ttftMs, tpotMs });
      }
      return JSON.stringify({ loadMs, memory, runs: runs.slice(1) });
    } finally {
      await engine.end();
    }
  },
};

export const webgpuChecks: readonly GpuCheck[] = [adapters, ...parity, ...(big === undefined ? [] : [speed, engineSpeed])];
