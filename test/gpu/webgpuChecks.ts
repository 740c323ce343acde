/**
 * WebGPU on a real GPU, through Vulkan: which adapter, the tiny checkpoints, and the speed of a large model with and without captured steps.
 * `node dist/testGpu.js webgpu`; the loader needs `VK_DRIVER_FILES` (or `VK_ICD_FILENAMES`) where the driver's manifest is not where it looks.
 */

import type { LoadOptions } from '../../src/common/protocol/engine';
import { listBudgets } from '../../src/engine/worker/deviceBudgets';
import { gpuBudgetSources } from '../../src/engine/worker/gpuBudgetSources';
import { openModel, planModel } from '../../src/engine/worker/planModel';
import { openStages, type OpenStagesOptions } from '../../src/engine/worker/stages/openStages';
import { listVulkanAdapters, preferredVulkanAdapter } from '../../src/ort/vulkanAdapters';
import { writeDequantized } from './dequantized';
import { generate, loadOptions, openEngine, tinyCheckpoints, type TinyCheckpoint } from './engineFixture';
import type { GpuCheck } from './harness';
import { compareLogits } from './logitDrift';

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

interface MeasuredRunner {
  readonly figures: Record<string, unknown>;
  /** Logits after the prompt of 512. */
  readonly afterPrompt: readonly number[];
}

/** One way of running a model, measured on its runner, so that nothing but the steps is in the clock. */
async function measureRunner(options: LoadOptions, how: Pick<OpenStagesOptions, 'captureDecode' | 'accuracyLevel'>): Promise<MeasuredRunner> {
  const messages: string[] = [];
  const opened = await openModel(options.source, process.env);
  const { plan, prefillChunkTokens } = planModel(opened, options, await listBudgets(options, gpuBudgetSources));
  const startedMs = performance.now();
  const runner = await openStages({
    config: opened.config,
    tensors: opened.checkpoint.tensors,
    plan,
    maxBatch: 1,
    cacheFolder: options.cacheFolder,
    prefillChunkTokens,
    allowSoftwareGpu: options.allowSoftwareGpu,
    ...how,
    log: { log: (level, _source, message, fields) => void (/decode steps|prompts/i.test(message) && messages.push(`${level}: ${message} ${JSON.stringify(fields ?? {})}`)) },
  });
  const loadMs = performance.now() - startedMs;
  try {
    const prompt = Int32Array.from({ length: 512 }, (_, index) => 100 + ((index * 7919) % 50_000));
    const prefillMs: number[] = [];
    const stepMs: number[] = [];
    const tokens: number[] = [];
    let afterPrompt: readonly number[] = [];
    for (let run = 0; run < 4; run += 1) {
      runner.rewindTo(0, 0);
      let startMs = performance.now();
      let logits: Float32Array | undefined;
      for (let at = 0; at < prompt.length; at += runner.prefillChunkTokens) {
        logits = await (await runner.prefill(0, prompt.subarray(at, at + runner.prefillChunkTokens), true))?.full();
      }
      prefillMs.push(performance.now() - startMs);
      afterPrompt = [...(logits ?? [])];
      tokens.length = 0;
      for (let step = 0; step < 128; step += 1) {
        startMs = performance.now();
        const tokenId = bestOf(logits ?? new Float32Array(1));
        tokens.push(tokenId);
        logits = await (await runner.decode([{ slot: 0, tokenId }]))[0]?.full();
        if (run > 0) stepMs.push(performance.now() - startMs);
      }
    }
    const middle = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;
    const [prefill, step] = [middle(prefillMs.slice(1)), middle(stepMs)];
    const figures = { ...how, loadMs: Math.round(loadMs), prefill512Ms: prefill, prefillTokensPerSecond: 512_000 / prefill, stepMs: step, decodeTokensPerSecond: 1000 / step, tokens: tokens.slice(0, 12), messages };
    return { figures, afterPrompt };
  } finally {
    await runner.dispose();
  }
}

function bestOf(logits: Float32Array): number {
  let best = 0;
  for (let id = 1; id < logits.length; id += 1) {
    if ((logits[id] as number) > (logits[best] as number)) best = id;
  }
  return best;
}

const big = process.env.GLM_BIG_CHECKPOINT;
const speedOptions = (): LoadOptions => webgpuOptions(big ?? '', { contextTokens: 1024 });

/** Logits after the prompt with captured steps, which the other ways are held against. */
let capturedLogits: readonly number[] | undefined;

/** Each way is a check of its own, so that its figures are out before the next one begins. */
const ways: readonly { readonly name: string; readonly how: Pick<OpenStagesOptions, 'captureDecode' | 'accuracyLevel'> }[] = [
  { name: 'captured steps', how: { captureDecode: true } },
  { name: 'steps encoded anew', how: { captureDecode: false } },
  // Products of eight-bit integers where the adapter has them: faster, and rounded more.
  { name: 'captured steps and integer products', how: { captureDecode: true, accuracyLevel: 4 } },
];

const speeds = ways.map(({ name, how }): GpuCheck => ({
  devices: 0,
  name: `webgpu: speed of a large model in int4, ${name}`,
  async run() {
    const { figures, afterPrompt } = await measureRunner(speedOptions(), how);
    capturedLogits ??= afterPrompt;
    return JSON.stringify({ ...figures, drift: compareLogits(afterPrompt, capturedLogits).rms });
  },
}));

const engineSpeed: GpuCheck = {
  devices: 0,
  name: 'webgpu: speed of a large model in int4, through the engine',
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

export const webgpuChecks: readonly GpuCheck[] = [adapters, ...parity, ...(big === undefined ? [] : [engineSpeed, ...speeds])];
