/** An int8 KV cache against one in bf16, teacher-forced token by token: a prompt's first chunk attends before it is rounded, so only what comes after tells. */

import { join } from 'node:path';
import { scoreBundledText } from '../../src/bench/quality';
import { evaluationDialogues } from '../../src/bench/text/evaluationDialogues';
import { textEngineOf } from '../../src/bench/engineAccess';
import { listBudgets } from '../../src/engine/worker/deviceBudgets';
import { gpuBudgetSources } from '../../src/engine/worker/gpuBudgetSources';
import { findKvScales } from '../../src/engine/worker/kvScales/measureKvScales';
import { openModel, planModel } from '../../src/engine/worker/planModel';
import { openStages, type StageRunner } from '../../src/engine/worker/stages/openStages';
import type { LoadOptions } from '../../src/common/protocol/engine';
import type { GlmTokenizer } from '../../src/tokenizer/glmTokenizer';
import { generate, loadOptions, openEngine, tinyCheckpoints } from './engineFixture';
import type { GpuCheck } from './harness';
import { compareLogits } from './logitDrift';

/** Twice the rms drift that transformers itself shows in bf16 on checkpoints of this kind, over the logits' standard deviation. */
const mostDrift = 0.066;
/** How much worse text may become. */
const mostPerplexityRatio = 1.03;
const demoFolder = (): string => process.env.GLM_DEMO_MODEL ?? join(__dirname, '..', 'models', 'glm-local-demo-chat');

async function withRunner<T>(options: LoadOptions, fusedDecode: boolean, work: (runner: StageRunner, tokenizer: GlmTokenizer) => Promise<T>): Promise<T> {
  const opened = await openModel(options.source, process.env);
  const { plan } = planModel(opened, options, await listBudgets(options, gpuBudgetSources));
  const stageOptions = { config: opened.config, tensors: opened.checkpoint.tensors, plan, maxBatch: options.maxBatch, cacheFolder: options.cacheFolder, prefillChunkTokens: 48 };
  const kvScales = options.kvCache === 'int8' ? await findKvScales(stageOptions, opened.tokenizer) : undefined;
  const runner = await openStages({ ...stageOptions, kvScales, fusedDecode });
  try {
    return await work(runner, opened.tokenizer);
  } finally {
    await runner.dispose();
  }
}

/** Logits after each of `ids` but the first `promptTokens - 1`, the rest decoded one by one. */
async function forcedRows(runner: StageRunner, ids: readonly number[], promptTokens: number): Promise<Float32Array[]> {
  runner.rewindTo(0, 0);
  const rows: Float32Array[] = [];
  for (let at = 0; at < promptTokens; at += runner.prefillChunkTokens) {
    const end = Math.min(promptTokens, at + runner.prefillChunkTokens);
    const logits = await (await runner.prefill(0, Int32Array.from(ids.slice(at, end)), true))?.full();
    if (end === promptTokens) {
      rows.push(Float32Array.from(logits ?? []));
    }
  }
  for (const tokenId of ids.slice(promptTokens)) {
    const [logits] = await runner.decode([{ slot: 0, tokenId }]);
    rows.push(Float32Array.from((await logits?.full()) ?? []));
  }
  return rows;
}

function logProb(row: Float32Array, id: number): number {
  const top = row.reduce((most, value) => Math.max(most, value), -Infinity);
  return (row[id] ?? NaN) - top - Math.log(row.reduce((sum, value) => sum + Math.exp(value - top), 0));
}

const largestDrift = (rows: readonly Float32Array[], reference: readonly Float32Array[]): number => Math.max(...rows.map((row, index) => compareLogits([...row], [...(reference[index] ?? [])]).rms));

const tiny = tinyCheckpoints().map(
  ({ name, folder, prompts }): GpuCheck => ({
    name: `int8 cache: ${name}, against bf16, in both ways of decoding`,
    async run() {
      const longest = [...prompts].sort((a, b) => b.ids.length - a.ids.length)[0];
      // Longer than a chunk, so that a prompt also attends to what is rounded already.
      const ids = Array.from({ length: 150 }, (_, index) => [...(longest?.ids ?? []), ...(longest?.greedyIds ?? [])][index % ((longest?.ids.length ?? 0) + (longest?.greedyIds.length ?? 1))] ?? 1);
      const run = (kvCache: 'auto' | 'int8', fusedDecode: boolean): Promise<{ readonly rows: readonly Float32Array[]; readonly bytes: number }> =>
        withRunner(loadOptions(folder, { kvCache, maxBatch: 2 }), fusedDecode, async (runner) => ({ rows: await forcedRows(runner, ids, 120), bytes: runner.memoryUse()[0]?.kvBytes ?? NaN }));
      const plain = await run('auto', true);
      const [own, runtimes] = [await run('int8', true), await run('int8', false)];
      const drifts = [largestDrift(own.rows, plain.rows), largestDrift(runtimes.rows, plain.rows), largestDrift(own.rows, runtimes.rows)];
      const [withOwn, withRuntimes, between] = drifts.map((drift) => drift.toExponential(2));
      const detail = `rms ${withOwn} with own kernels, ${withRuntimes} with the runtime's, ${between} between both; ${plain.bytes} → ${own.bytes} bytes`;
      if (!drifts.every((drift) => drift <= mostDrift) || !((drifts[0] ?? 0) > 0) || own.bytes * 2 !== plain.bytes) {
        throw new Error(detail);
      }
      return detail;
    },
  }),
);

const batched: GpuCheck = {
  name: 'int8 cache: rows of a batch get what each gets alone',
  run: () =>
    withRunner(loadOptions(tinyCheckpoints()[0]?.folder ?? '', { kvCache: 'int8', maxBatch: 2 }), true, async (runner) => {
      const prompts = [
        [5, 9, 2, 7, 3],
        [5, 9],
      ];
      const alone: Float32Array[] = [];
      for (const ids of prompts) {
        alone.push((await forcedRows(runner, [...ids, 11], ids.length))[1] as Float32Array);
      }
      [0, 1].forEach((slot) => runner.rewindTo(slot, 0));
      for (const [slot, ids] of prompts.entries()) {
        await runner.prefill(slot, Int32Array.from(ids), true);
      }
      const rows = await runner.decode(prompts.map((_, slot) => ({ slot, tokenId: 11 })));
      const drifts = await Promise.all(rows.map(async (row, index) => compareLogits([...(await row.full())], [...(alone[index] as Float32Array)]).rms));
      const detail = `rms ${drifts.map((drift) => drift.toExponential(2)).join(', ')}`;
      if (!drifts.every((drift) => drift <= mostDrift)) {
        throw new Error(detail);
      }
      return detail;
    }),
};

const decodedText: GpuCheck = {
  name: 'int8 cache: text decoded token by token by the demo model is as probable as with bf16',
  async run() {
    const perplexity = (kvCache: 'auto' | 'int8'): Promise<number> =>
      withRunner(loadOptions(demoFolder(), { kvCache, contextTokens: 512 }), true, async (runner, tokenizer) => {
        const logProbs: number[] = [];
        for (const { question, answer } of evaluationDialogues) {
          const asked = { role: 'user', content: question } as const;
          const promptTokens = tokenizer.renderChat({ messages: [asked], addGenerationPrompt: true }).ids.length;
          const ids = [...tokenizer.renderChat({ messages: [asked, { role: 'assistant', content: answer }], addGenerationPrompt: false }).ids];
          const rows = await forcedRows(runner, ids, promptTokens);
          ids.slice(promptTokens).forEach((id, index) => logProbs.push(logProb(rows[index] as Float32Array, id)));
        }
        return Math.exp(-logProbs.reduce((sum, each) => sum + each, 0) / logProbs.length);
      });
    const [plain, short] = [await perplexity('auto'), await perplexity('int8')];
    const detail = `perplexity ${plain.toFixed(3)} with bf16, ${short.toFixed(3)} with int8`;
    if (!(short / plain <= mostPerplexityRatio)) {
      throw new Error(detail);
    }
    return detail;
  },
};

/** Not one of the cache, but of the same kind: what a format costs in text. */
const int4Text: GpuCheck = {
  name: 'int4 weights: perplexity of the demo model within 3 % of bf16',
  async run() {
    const perplexity = async (weights: 'bf16' | 'int8' | 'int4'): Promise<number> => {
      const engine = openEngine();
      try {
        const model = await engine.request('model-load', loadOptions(demoFolder(), { weights, contextTokens: 1024 }));
        return (await scoreBundledText(textEngineOf(engine, model), model.contextTokens))?.quality.perplexity ?? NaN;
      } finally {
        await engine.end();
      }
    };
    const [bf16, int8, int4] = [await perplexity('bf16'), await perplexity('int8'), await perplexity('int4')];
    const detail = `perplexity ${bf16.toFixed(4)} in bf16, ${int8.toFixed(4)} in int8, ${int4.toFixed(4)} in int4`;
    if (!(int4 / bf16 <= mostPerplexityRatio)) {
      throw new Error(detail);
    }
    return detail;
  },
};

const speed: GpuCheck = {
  name: 'int8 cache: memory and decode speed of a large model',
  async run() {
    const big = process.env.GLM_BIG_CHECKPOINT;
    if (big === undefined) {
      return 'not run: GLM_BIG_CHECKPOINT names no checkpoint of many gigabytes';
    }
    const outcomes: string[] = [];
    for (const [weights, kvCache] of [
      ['bf16', 'auto'],
      ['bf16', 'int8'],
      ['int4', 'auto'],
      ['int4', 'int8'],
    ] as const) {
      const engine = openEngine();
      try {
        const startedMs = performance.now();
        const { memory } = await engine.request('model-load', loadOptions(big, { weights, kvCache, contextTokens: 8448 }));
        const loadSeconds = (performance.now() - startedMs) / 1000;
        const figures: string[] = [];
        for (const promptTokens of [512, 8192]) {
          const tpots: number[] = [];
          const ttfts: number[] = [];
          for (let run = 0; run < 3; run += 1) {
            const ids = Array.from({ length: promptTokens }, (_, index) => 100 + ((index * 7919 + run * 104_729 + promptTokens) % 100_000));
            const { tpotMs = NaN, ttftMs = NaN } = await generate(engine, ids, 128);
            if (run > 0) {
              tpots.push(tpotMs);
              ttfts.push(ttftMs);
            }
          }
          const best = (values: number[]): number => Math.min(...values);
          figures.push(`after ${promptTokens}: TTFT ${best(ttfts).toFixed(1)} ms, ${(1000 / best(tpots)).toFixed(1)} tok/s`);
        }
        outcomes.push(`${weights} weights, ${kvCache === 'int8' ? 'int8' : 'bf16'} cache of ${memory[0]?.kvBytes ?? NaN} bytes, loaded in ${loadSeconds.toFixed(1)} s: ${figures.join('; ')}`);
      } finally {
        await engine.end();
      }
    }
    return outcomes.join(' | ');
  },
};

export const int8CacheChecks: readonly GpuCheck[] = [...tiny, batched, decodedText, int4Text, speed];
