import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { threadsWhereLimited } from '../../../../../src/engine/worker/stages/cpuDevice';
import { openStages, type StageRunner } from '../../../../../src/engine/worker/stages/openStages';
import { groupSlots } from '../../../../../src/engine/worker/stages/slotGroups';
import { cpuPlan, fixtureFolder, openTiny, temporaryFolder, type OpenedTiny } from '../tinyCheckpoint';

const cache = temporaryFolder();
let opened: OpenedTiny;
let runner: StageRunner;
const open = (contextTokens = 48) =>
  openStages({ ...opened, plan: cpuPlan(opened.config, 'int4', { contextTokens, numStages: 2 }), maxBatch: 3, cacheFolder: cache.path, cpuThreads: 1, prefillChunkTokens: 16 });

beforeAll(async () => {
  opened = await openTiny(fixtureFolder('tiny-glm4'));
  runner = await open();
});
afterAll(async () => {
  await runner.dispose();
  cache.remove();
});

const ids = (count: number, first = 1): Int32Array => Int32Array.from({ length: count }, (_, index) => first + index);
const full = async (slot: number, tokens: Int32Array): Promise<number[]> => Array.from((await (await runner.prefill(slot, tokens, true))?.full()) ?? []);

describe('a stage runner', () => {
  it('gives the same logits after a rewind as in a fresh slot', async () => {
    runner.rewindTo(0, 0);
    runner.rewindTo(1, 0);
    await runner.prefill(0, ids(6), false);
    const fresh = await full(0, ids(4, 50));
    await runner.prefill(1, ids(6), false);
    await runner.prefill(1, ids(9, 300), false);
    runner.rewindTo(1, 6);
    expect(await full(1, ids(4, 50))).toEqual(fresh);
  });

  it('takes all memory that prompts need while loading, so that a forecast before any answer holds', async () => {
    // The demo model: the arena of the tiny ones never grows.
    const demo = await openTiny('models/glm-local-demo-chat');
    const fresh = await openStages({ ...demo, plan: cpuPlan(demo.config, 'f32', { contextTokens: 1024 }), maxBatch: 1, cacheFolder: cache.path, prefillChunkTokens: 256, longWarmUpLimitMs: Infinity });
    try {
      const bytesOf = (): readonly (number | undefined)[] => fresh.memoryUse().map(({ activationBytes }) => activationBytes);
      const loaded = bytesOf();
      expect(fresh.stageFacts().missingChunkFraction).toBe(0);
      expect(loaded[0]).toBeGreaterThan(0);
      for (let at = 0; at < 1000; at += 250) {
        await fresh.prefill(0, new Int32Array(250).fill(7), true);
      }
      await fresh.decode([{ slot: 0, tokenId: 1 }]);
      expect(bytesOf()).toEqual(loaded);
    } finally {
      await fresh.dispose();
    }
  });

  it('takes it also where reading a long prompt would take too long, from what a short one took', async () => {
    const demo = await openTiny('models/glm-local-demo-chat');
    const fresh = await openStages({ ...demo, plan: cpuPlan(demo.config, 'f32', { contextTokens: 4096 }), maxBatch: 2, cacheFolder: cache.path, prefillChunkTokens: 256, longWarmUpLimitMs: 0 });
    try {
      const loaded = fresh.memoryUse()[0]?.activationBytes;
      expect(fresh.stageFacts().missingChunkFraction).toBe(0);
      for (const tokens of [256, 100, 256, 33, 256, 256, 256, 256, 256, 256, 256]) {
        await fresh.prefill(0, new Int32Array(tokens).fill(7), true);
      }
      await fresh.prefill(1, new Int32Array(256).fill(7), true);
      await fresh.decode([0, 1].map((slot) => ({ slot, tokenId: 1 })));
      expect(fresh.memoryUse()[0]?.activationBytes).toBe(loaded);
    } finally {
      await fresh.dispose();
    }
  });

  it('does not let idle neighbours disturb a slot', async () => {
    [0, 1, 2].forEach((slot) => runner.rewindTo(slot, 0));
    for (const slot of [0, 1, 2]) {
      await runner.prefill(slot, ids(5, 10 * (slot + 1)), false);
    }
    // Slots 0 and 2 decode as one batch that takes slot 1 along.
    await runner.decode([
      { slot: 2, tokenId: 9 },
      { slot: 0, tokenId: 8 },
    ]);
    expect([0, 1, 2].map((slot) => runner.length(slot))).toEqual([6, 5, 6]);
    const disturbed = await full(1, ids(1, 77));
    runner.rewindTo(1, 0);
    await runner.prefill(1, ids(5, 20), false);
    expect(await full(1, ids(1, 77))).toEqual(disturbed);
  });

  it('refuses what does not fit into the context and keeps the slot', async () => {
    runner.rewindTo(0, 0);
    for (let round = 0; round < 3; round += 1) {
      await runner.prefill(0, ids(16), false);
    }
    await expect(runner.prefill(0, ids(1), true)).rejects.toMatchObject({ code: 'context-full', fields: { contextTokens: 48, usedTokens: 48 } });
    await expect(runner.decode([{ slot: 0, tokenId: 1 }])).rejects.toMatchObject({ code: 'context-full' });
    expect(runner.length(0)).toBe(48);
    // A full slot cannot be taken along by its neighbours, and must not be written to.
    runner.rewindTo(1, 0);
    runner.rewindTo(2, 0);
    await runner.prefill(1, ids(2), false);
    await runner.prefill(2, ids(2), false);
    await runner.decode([
      { slot: 1, tokenId: 3 },
      { slot: 2, tokenId: 3 },
    ]);
    expect(runner.length(0)).toBe(48);
  });

  it('can be interrupted, keeps its lengths, and goes on afterwards', async () => {
    runner.rewindTo(0, 0);
    await runner.prefill(0, ids(3), false);
    const running = runner.prefill(0, ids(16), true);
    await Promise.resolve();
    runner.interrupt();
    await expect(running).rejects.toMatchObject({ code: 'cancelled' });
    expect(runner.length(0)).toBe(3);
    const resumed = await full(0, ids(4, 30));
    runner.rewindTo(1, 0);
    await runner.prefill(1, ids(3), false);
    expect(await full(1, ids(4, 30))).toEqual(resumed);
  });

  it('refuses impossible calls', async () => {
    await expect(runner.prefill(0, ids(17), true)).rejects.toThrow(/1 to 16 tokens, got 17/);
    await expect(runner.prefill(0, ids(0), true)).rejects.toThrow(/got 0/);
    await expect(
      runner.decode([
        { slot: 1, tokenId: 1 },
        { slot: 1, tokenId: 2 },
      ]),
    ).rejects.toThrow(/twice/);
    expect(() => runner.rewindTo(0, 99)).toThrow(/cannot rewind/);
    expect(() => runner.length(3)).toThrow(/slot 3 of 3/);
  });

  it('reports nodes, tensors and bytes of each stage', () => {
    const assignments = runner.assignments();
    expect(assignments).toHaveLength(2);
    expect(Object.keys(assignments[0]?.nodesByProvider ?? {})).toEqual(['CPUExecutionProvider']);
    expect(assignments[0]?.inputMemory).toMatchObject({ input_ids: 'Cpu', 'past.0.key': 'Cpu' });
    expect(assignments[1]?.inputMemory).toHaveProperty('hidden_in');
    expect(assignments[1]?.outputMemory).toHaveProperty('logits');
    const [use] = runner.memoryUse();
    // 3 layers × keys and values × 3 slots × 2 heads × 48 positions × 32 × 4 bytes
    expect(use?.kvBytes).toBe(3 * 2 * 3 * 2 * 48 * 32 * 4);
    expect(use?.weightBytes).toBeGreaterThan(100_000);
  });

  it('cannot be used once disposed; disposing twice and during a run is harmless', async () => {
    const other = await open();
    const running = other.prefill(0, ids(16), true).then(
      () => 'done',
      (error: { code: string }) => error.code,
    );
    await Promise.all([other.dispose(), other.dispose()]);
    expect(['done', 'cancelled']).toContain(await running);
    await expect(other.prefill(0, ids(1), true)).rejects.toMatchObject({ code: 'used-after-dispose' });
  });

  it('loads nothing when cancelled before it begins', async () => {
    const options = { ...opened, plan: cpuPlan(opened.config, 'int8'), maxBatch: 1, cacheFolder: cache.path };
    await expect(openStages({ ...options, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('names a tensor that is missing before anything is packed', async () => {
    const tensors = new Map(opened.tensors);
    tensors.delete('model.norm.weight');
    await expect(openStages({ config: opened.config, tensors, plan: cpuPlan(opened.config, 'int4'), maxBatch: 1, cacheFolder: '/nowhere' })).rejects.toMatchObject({
      code: 'tensor-missing',
      fields: { tensor: 'model.norm.weight' },
    });
  });
});

describe('threadsWhereLimited', () => {
  it('leaves the choice to the runtime where every CPU may be used, and else stays within affinity and quota', () => {
    expect(threadsWhereLimited({ cpus: 8, usable: 8, quota: undefined })).toBeUndefined();
    expect(threadsWhereLimited({ cpus: 8, usable: 8, quota: 16 })).toBeUndefined();
    expect(threadsWhereLimited({ cpus: 64, usable: 64, quota: 2.5 })).toBe(2);
    expect(threadsWhereLimited({ cpus: 64, usable: 4, quota: undefined })).toBe(4);
    expect(threadsWhereLimited({ cpus: 64, usable: 4, quota: 0.5 })).toBe(1);
  });
});

describe('groupSlots', () => {
  it('joins neighbours, bridges small gaps with room, and splits at full slots', () => {
    expect(groupSlots([3, 1, 2], () => true)).toEqual([{ firstSlot: 1, slotCount: 3 }]);
    expect(groupSlots([0, 3], () => true)).toEqual([{ firstSlot: 0, slotCount: 4 }]);
    expect(groupSlots([0, 2], (slot) => slot !== 1)).toEqual([
      { firstSlot: 0, slotCount: 1 },
      { firstSlot: 2, slotCount: 1 },
    ]);
    expect(groupSlots([0, 9], () => true)).toHaveLength(2);
  });
});
