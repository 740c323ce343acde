import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { findKvScales, idsInVocabulary, measureKvScales } from '../../../../../src/engine/worker/kvScales/measureKvScales';
import { openModel } from '../../../../../src/engine/worker/planModel';
import { kvScaleFile } from '../../../../../src/engine/worker/kvScales/kvScaleFile';
import { deviationOf } from '../../../../../src/engine/worker/stages/logitDeviation';
import { openStages, type OpenStagesOptions, type StageRunner } from '../../../../../src/engine/worker/stages/openStages';
import type { KvScales } from '../../../../../src/model/kvScales';
import { compareLogits } from '../../../../gpu/logitDrift';
import { cpuPlan, fixtureFolder, openTiny, readReference, temporaryFolder, tinyNames, type Reference, type TinyName } from '../tinyCheckpoint';

const cache = temporaryFolder();
afterAll(() => cache.remove());

/** Twice what transformers itself drifts in bf16 on checkpoints of this kind (0.012 to 0.033), over the logits' standard deviation. */
const mostDrift = 0.066;

function largestRms(rows: readonly Float32Array[], reference: readonly Float32Array[]): number {
  return Math.max(...rows.map((row, index) => compareLogits([...row], [...(reference[index] as Float32Array)]).rms));
}

async function withRunner<T>(name: TinyName, kvScales: KvScales | undefined, work: (runner: StageRunner) => Promise<T>, options: Partial<OpenStagesOptions> & { readonly numStages?: number } = {}): Promise<T> {
  const opened = await openTiny(fixtureFolder(name));
  const plan = { ...cpuPlan(opened.config, 'f32', { numStages: options.numStages ?? 1 }), kvFormat: kvScales === undefined ? ('f32' as const) : ('int8' as const) };
  const runner = await openStages({ ...opened, plan, maxBatch: 2, cacheFolder: cache.path, cpuThreads: 1, kvScales, ...options });
  try {
    return await work(runner);
  } finally {
    await runner.dispose();
  }
}

async function scalesOf(name: TinyName): Promise<KvScales> {
  const { config } = await openTiny(fixtureFolder(name));
  const texts = readReference(name).prompts.map(({ ids, greedyIds }) => [...ids, ...greedyIds]);
  return withRunner(name, undefined, (runner) => measureKvScales(runner, config, texts));
}

/** Logits after a prompt and after each of some further tokens, which are the same whatever the model would choose. */
async function forced(runner: StageRunner, ids: readonly number[], next: readonly number[], slot = 0): Promise<Float32Array[]> {
  runner.rewindTo(slot, 0);
  const rows: Float32Array[] = [];
  for (let start = 0; start < ids.length; start += runner.prefillChunkTokens) {
    const logits = await (await runner.prefill(slot, Int32Array.from(ids.slice(start, start + runner.prefillChunkTokens)), true))?.full();
    if (start + runner.prefillChunkTokens >= ids.length) rows.push(Float32Array.from(logits ?? []));
  }
  for (const tokenId of next) {
    const [logits] = await runner.decode([{ slot, tokenId }]);
    rows.push(Float32Array.from((await logits?.full()) ?? []));
  }
  return rows;
}

describe('an int8 KV cache on the CPU', () => {
  it.each(tinyNames)('%s stays close to a cache in f32, over prompts, chunks, steps and stages, in a quarter of the memory', async (name) => {
    const scales = await scalesOf(name);
    const { prompts } = readReference(name);
    const all = (runner: StageRunner): Promise<Float32Array[]> => prompts.reduce<Promise<Float32Array[]>>(async (rows, { ids, greedyIds }) => [...(await rows), ...(await forced(runner, ids, greedyIds.slice(0, 8)))], Promise.resolve([]));
    const plain = await withRunner(name, undefined, async (runner) => ({ rows: await all(runner), bytes: runner.memoryUse()[0]?.kvBytes ?? NaN }));
    const short = await withRunner(name, scales, async (runner) => ({ rows: await all(runner), bytes: runner.memoryUse()[0]?.kvBytes ?? NaN }));
    const drift = largestRms(short.rows, plain.rows);
    expect(drift).toBeGreaterThan(0);
    expect(drift).toBeLessThan(mostDrift);
    expect(short.bytes * 4).toBe(plain.bytes);
    const cut = await withRunner(name, scales, all, { numStages: 2, prefillChunkTokens: 7 });
    expect(largestRms(cut, short.rows)).toBeLessThan(mostDrift);
  });

  it('errs in proportion to the scales, so that nothing but their steps is lost', async () => {
    const scales = await scalesOf('tiny-glm4');
    const [{ ids, greedyIds }] = readReference('tiny-glm4').prompts as [Reference['prompts'][number]];
    const run = (times: number | undefined): Promise<Float32Array[]> =>
      withRunner('tiny-glm4', times === undefined ? undefined : scales.map(({ key, value }) => ({ key: key.map((x) => x * times), value: value.map((x) => x * times) })), (runner) => forced(runner, ids, greedyIds));
    const plain = await run(undefined);
    const [fine, coarse] = [largestRms(await run(1), plain), largestRms(await run(8), plain)];
    expect(coarse / fine).toBeGreaterThan(4);
    expect(coarse / fine).toBeLessThan(16);
  });

  it('gives rows of different lengths what each gets alone', async () => {
    const scales = await scalesOf('tiny-glm4');
    await withRunner('tiny-glm4', scales, async (runner) => {
      const alone = await forced(runner, [5, 9, 2, 7], [11]);
      const other = await forced(runner, [5, 9], [11]);
      runner.rewindTo(0, 0);
      await runner.prefill(0, Int32Array.of(5, 9, 2, 7), false);
      await runner.prefill(1, Int32Array.of(5, 9), false);
      const rows = await runner.decode([
        { slot: 0, tokenId: 11 },
        { slot: 1, tokenId: 11 },
      ]);
      expect(deviationOf(Float32Array.from((await rows[0]?.full()) ?? []), alone[1] as Float32Array)).toBeLessThan(1e-4);
      expect(deviationOf(Float32Array.from((await rows[1]?.full()) ?? []), other[1] as Float32Array)).toBeLessThan(1e-4);
    });
  });

  it('refuses to build a graph without scales', async () => {
    const opened = await openTiny(fixtureFolder('tiny-glm'));
    const open = openStages({ ...opened, plan: { ...cpuPlan(opened.config, 'f32'), kvFormat: 'int8' }, maxBatch: 1, cacheFolder: cache.path, cpuThreads: 1 });
    await expect(open).rejects.toThrow(/scales/);
  });
});

describe('findKvScales', () => {
  it('measures them on a bundled text once, on the plan\'s own stages, and reads them from the cache folder after that', async () => {
    const { checkpoint, config, tokenizer } = await openModel(fixtureFolder('tiny-glm4'), {});
    const phases: string[] = [];
    const find = (): Promise<KvScales> =>
      findKvScales({ config, tensors: checkpoint.tensors, plan: { ...cpuPlan(config, 'f32', { numStages: 2 }), kvFormat: 'int8' }, maxBatch: 2, cacheFolder: cache.path, cpuThreads: 1, onProgress: ({ phase }) => phases.push(phase) }, tokenizer);
    const measured = await find();
    expect(measured.map(({ key }) => key.length)).toEqual(new Array(config.numLayers).fill(config.numKvHeads * config.headDim));
    expect(new Set(phases)).toEqual(new Set(['calibrating']));
    phases.length = 0;
    expect(await find()).toEqual(measured);
    expect(phases).toEqual([]);
  });
});

describe('measured scales on disk', () => {
  const shape = { numLayers: 2, numKvHeads: 1, headDim: 4 };
  const scales: KvScales = [1, 2].map((layer) => ({ key: Float32Array.of(layer, 2, 3, 4), value: Float32Array.of(5, 6, 7, layer) }));

  it('come back as they were written, for that checkpoint and format only', () => {
    const file = kvScaleFile(cache.path, 'model', 'int4', shape);
    expect(file.tryRead()).toBeUndefined();
    file.tryWrite(scales);
    expect(file.tryRead()).toEqual(scales);
    expect(kvScaleFile(cache.path, 'model', 'int8', shape).tryRead()).toBeUndefined();
    expect(kvScaleFile(cache.path, 'model', 'int4', { ...shape, numLayers: 3 }).tryRead()).toBeUndefined();
  });

  it('are measured anew when the file is cut short or holds nonsense', () => {
    const folder = join(cache.path, 'kv-scales-v1');
    const name = readdirSync(folder).find((each) => each.startsWith('model-'));
    for (const bytes of [new Uint8Array(6), new Uint8Array(64)]) {
      writeFileSync(join(folder, name ?? ''), bytes);
      expect(kvScaleFile(cache.path, 'model', 'int4', shape).tryRead()).toBeUndefined();
    }
    rmSync(folder, { recursive: true });
  });
});

describe('idsInVocabulary', () => {
  it('leaves out what only the tokenizer knows, and stands in for a text of which nothing is left', () => {
    expect(idsInVocabulary([[1, 99, 2], [99], []], 10)).toEqual([[1, 2]]);
    expect(idsInVocabulary([[99]], 3)).toEqual([[0, 1, 2]]);
  });
});
