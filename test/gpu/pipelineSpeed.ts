/** How long chunks of a prompt take on one GPU and over two, by their size and by what lies before them: what the choice of the chunk rests on. */

import { CudaDriver } from '../../src/cuda/cudaDriver';
import type { LoadOptions } from '../../src/common/protocol/engine';
import { listBudgets } from '../../src/engine/worker/deviceBudgets';
import { gpuBudgetSources } from '../../src/engine/worker/gpuBudgetSources';
import { openModel, planModel } from '../../src/engine/worker/planModel';
import { openStages, type StageRunner } from '../../src/engine/worker/stages/openStages';
import { loadOptions } from './engineFixture';

const promptTokens = 8192;

async function open(options: LoadOptions, chunkTokens: number): Promise<StageRunner> {
  const opened = await openModel(options.source, process.env);
  const { plan } = planModel(opened, options, await listBudgets(options, gpuBudgetSources));
  return openStages({ config: opened.config, tensors: opened.checkpoint.tensors, plan, maxBatch: options.maxBatch, cacheFolder: options.cacheFolder, prefillChunkTokens: chunkTokens });
}

async function prefillMs(runner: StageRunner, from: number, tokens: number, chunkTokens: number): Promise<{ readonly totalMs: number; readonly firstCallMs: number }> {
  runner.rewindTo(0, from);
  const ids = Int32Array.from({ length: tokens }, (_, index) => 100 + ((index * 7919) % 50_000));
  const startedMs = performance.now();
  let firstCallMs = 0;
  for (let at = 0; at < tokens; at += chunkTokens) {
    const chunk = ids.slice(at, at + chunkTokens);
    await runner.prefill(0, chunk, at + chunk.length === tokens);
    firstCallMs ||= performance.now() - startedMs;
  }
  return { totalMs: performance.now() - startedMs, firstCallMs };
}

async function best(count: number, measure: () => Promise<{ readonly totalMs: number; readonly firstCallMs: number }>): Promise<{ readonly totalMs: number; readonly firstCallMs: number }> {
  const runs = [];
  for (let run = 0; run <= count; run += 1) {
    runs.push(await measure());
  }
  return runs.slice(1).sort((a, b) => a.totalMs - b.totalMs)[Math.floor(count / 2)] as (typeof runs)[number];
}

export async function measurePipeline(print: (line: string) => void, numDevices: number, source: string): Promise<void> {
  const maps: readonly [string, LoadOptions['deviceMap']][] = [['one GPU', { kind: 'single' }], ...(numDevices > 1 ? [['two GPUs', { kind: 'balanced' }] as [string, LoadOptions['deviceMap']]] : [])];
  for (const [name, deviceMap] of maps) {
    const runner = await open(loadOptions(source, { contextTokens: promptTokens + 512, maxBatch: 2, deviceMap }), 4096);
    try {
      for (const chunkTokens of [4096, 2048, 1024, 512]) {
        runner.limitPrefillChunk(chunkTokens);
        const whole = await best(3, () => prefillMs(runner, 0, promptTokens, chunkTokens));
        const alone = await best(3, () => prefillMs(runner, 0, chunkTokens, chunkTokens));
        await prefillMs(runner, 0, promptTokens, chunkTokens);
        const late = await best(3, () => prefillMs(runner, promptTokens - chunkTokens, chunkTokens, chunkTokens));
        const rate = (promptTokens * 1000) / whole.totalMs;
        print(`${name}, chunks of ${chunkTokens}: ${promptTokens} tokens in ${whole.totalMs.toFixed(1)} ms (${rate.toFixed(0)} tok/s), host ${whole.firstCallMs.toFixed(2)} ms for the first; one chunk alone ${alone.totalMs.toFixed(2)} ms, as the last ${late.totalMs.toFixed(2)} ms`);
      }
    } finally {
      await runner.dispose();
    }
  }
}

/** A chunk of 2,048 tokens and a step of 16 sequences between cuProfilerStart and cuProfilerStop: `ncu --profile-from-start off … node dist/testGpu.js profile`. */
export async function profileSteps(print: (line: string) => void, source: string): Promise<void> {
  const runner = await open(loadOptions(source, { contextTokens: 2112, maxBatch: 16, deviceMap: { kind: 'single' } }), 2048);
  const driver = CudaDriver.load();
  const profiled = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    const startedMs = performance.now();
    driver.call('cuProfilerStart');
    await work();
    driver.call('cuProfilerStop');
    print(`${name}: ${(performance.now() - startedMs).toFixed(1)} ms`);
  };
  try {
    for (let slot = 0; slot < 16; slot += 1) {
      await prefillSlot(runner, slot, 512);
    }
    const step = (tokenId: number): Promise<unknown> => runner.decode(Array.from({ length: 16 }, (_, slot) => ({ slot, tokenId })));
    await step(1);
    await step(2);
    await profiled('a step of 16 sequences after 512 tokens each', () => step(3));
    await prefillMs(runner, 0, 2048, 2048);
    await profiled('a chunk of 2,048 tokens', () => prefillMs(runner, 0, 2048, 2048));
  } finally {
    await runner.dispose();
  }
}

async function prefillSlot(runner: StageRunner, slot: number, tokens: number): Promise<void> {
  await runner.prefill(slot, Int32Array.from({ length: tokens }, (_, index) => 100 + slot + index), true);
}
