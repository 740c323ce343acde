import { describe, expect, it } from 'vitest';
import { benchmarkPromptIds, hashPromptIds, textPrompt } from '../../../src/bench/prompt';
import { measureCase, type BenchmarkTarget, type CaseSpec } from '../../../src/bench/runCase';
import { averagePower, describeBefore, surroundingsCautions } from '../../../src/bench/surroundings';
import { CancelledError } from '../../../src/common/errors';
import type { DeviceId } from '../../../src/common/deviceId';
import type { GenerateParams, GenerateResult } from '../../../src/common/protocol/engine';

const spec: CaseSpec = {
  name: 'standard',
  model: 'tiny',
  modelIdentity: 'id',
  provider: 'cpu',
  weights: 'f32',
  devices: ['cpu'],
  promptIds: [1, 2, 3],
  newTokens: 4,
  warmupRuns: 1,
  repetitions: 5,
  concurrency: 1,
  ownPids: [],
};

/** An engine that answers at once; `answer` may change a result, by call number. */
class FakeTarget implements BenchmarkTarget {
  readonly asked: GenerateParams[] = [];
  readonly forgotten: string[] = [];
  constructor(private readonly answer: (call: number) => Partial<GenerateResult> = () => ({})) {}

  generate(params: GenerateParams): Promise<GenerateResult> {
    this.asked.push(params);
    const call = this.asked.length;
    return Promise.resolve().then(() => ({
      generationId: params.generationId,
      ids: [5, 6, 7, 8],
      text: '',
      stopReason: 'length' as const,
      promptTokens: 3,
      reusedTokens: 0,
      ttftMs: 10 + call,
      tpotMs: 2,
      decodeTokensPerSecond: 500,
      prefillTokensPerSecond: 300,
      tokenizeMs: 0,
      totalMs: 16,
      queuedMs: 0,
      peakMemoryBytes: {},
      tokenTimesMs: [10, 12, 15, 16],
      ...this.answer(call),
    }));
  }

  forget(key: string): Promise<void> {
    this.forgotten.push(key);
    return Promise.resolve();
  }
}

describe('measureCase', () => {
  it('counts the repetitions without the warm-up and takes inter-token latencies from token times', async () => {
    const target = new FakeTarget();
    const measured = await measureCase(target, spec);
    expect(target.asked).toHaveLength(6);
    expect(measured.samples.map((sample) => sample.ttftMs)).toEqual([12, 13, 14, 15, 16]);
    expect(measured.samples[0]?.itlMs).toEqual([2, 3, 1]);
    expect(measured.summaries.ttftMs?.median).toBe(14);
    expect(measured.endedBy).toBeUndefined();
  });

  describe('with times to fill', () => {
    /** A clock that each run moves on by so much. */
    const timed = async (runMs: number, changes: Partial<CaseSpec> = {}) => {
      let nowMs = 0;
      const totals: number[] = [];
      const measured = await measureCase(new FakeTarget(() => ((nowMs += runMs), {})), { ...spec, warmupMs: 1000, countedMs: 4000, ...changes }, { nowMs: () => nowMs, onRun: (_done, total) => totals.push(total) });
      return { measured, totals };
    };

    it('warms up for so long, and counts as many short runs as fill the time', async () => {
      const { measured, totals } = await timed(200);
      expect(measured.rules).toMatchObject({ warmupRuns: 5, repetitions: 20 });
      expect(measured.samples).toHaveLength(20);
      expect([totals[0], totals[4], totals[5], totals.at(-1)]).toEqual([6, 10, 25, 25]);
    });

    it('stays at the least number for long runs, and below the most for very short ones', async () => {
      expect((await timed(3000)).measured.rules).toMatchObject({ warmupRuns: 1, repetitions: 5 });
      expect((await timed(1)).measured.rules).toMatchObject({ warmupRuns: 20, repetitions: 40 });
    });

    it('warms up not at all where that is asked, and then counts the least number', async () => {
      expect((await timed(200, { warmupRuns: 0 })).measured.rules).toMatchObject({ warmupRuns: 0, repetitions: 5 });
    });
  });

  it('names pauses that would show in a comparison, and no gaps that only scatter', async () => {
    const paused = await measureCase(new FakeTarget((call) => ({ tokenTimesMs: call === 3 ? [10, 11, 12, 63] : [10, 11, 12, 13] })), spec);
    expect(paused.cautions.join()).toContain('single pauses took 78 % of the time between tokens (the longest 51.0 ms, where the median is 1.00 ms)');
    const steady = await measureCase(new FakeTarget(() => ({ tokenTimesMs: [10, 11, 12, 15] })), spec);
    expect(steady.cautions.join()).not.toContain('pauses');
  });

  it('asks for a fixed length with EOS ignored, greedily, and drops the cache after each run', async () => {
    const target = new FakeTarget();
    await measureCase(target, spec);
    for (const asked of target.asked) {
      expect(asked.options).toMatchObject({ maxNewTokens: 4, minNewTokens: 4, ignoreEos: true, doSample: false });
    }
    expect(target.forgotten).toEqual(target.asked.map((asked) => asked.conversationKey));
  });

  it.each([
    ['fewer tokens than asked', { ids: [5] }, /1 instead of 4/],
    ['a reused prompt', { reusedTokens: 2 }, /came from the cache/],
    ['no TPOT', { tpotMs: undefined }, /no tpotMs/],
  ])('refuses a run with %s', async (_name, change, message) => {
    await expect(measureCase(new FakeTarget(() => change), spec)).rejects.toThrow(message);
  });

  it('keeps what was measured when a later run is cancelled or fails', async () => {
    const cancelled = await measureCase(new FakeTarget((call) => (call === 4 ? { stopReason: 'cancelled' } : {})), spec);
    expect(cancelled.samples).toHaveLength(2);
    expect(cancelled.endedBy).toBe('cancelled');
  });

  it('ends with the cancel when not one run was counted', async () => {
    await expect(measureCase(new FakeTarget(() => ({ stopReason: 'cancelled' })), spec)).rejects.toBeInstanceOf(CancelledError);
  });

  it('takes the speed of reading from the engine, or from TTFT where others tell no more', async () => {
    const target = () => new FakeTarget(() => ({ ttftMs: 20, prefillTokensPerSecond: 5000 }));
    const speedOf = async (changes: object) => (await measureCase(target(), { ...spec, ...changes })).summaries.prefillTokensPerSecond?.median;
    expect(await speedOf({})).toBe(5000);
    expect(await speedOf({ prefillFromTtft: true })).toBe((1000 * spec.promptIds.length) / 20);
  });

  it('marks figures unreliable when they scatter', async () => {
    const measured = await measureCase(new FakeTarget((call) => ({ ttftMs: call % 2 === 0 ? 10 : 100 })), spec);
    expect(measured.cautions).toContain('unreliable, 5 samples with an interquartile range of so much of the median: TTFT 900 %');
    const single = await measureCase(new FakeTarget(() => ({})), { ...spec, repetitions: 1 });
    expect(single.cautions).toContain('unreliable, only 1 sample, where at least 5 are needed');
  });
});

describe('benchmarkPromptIds', () => {
  it('gives the asked number of ordinary tokens, the same each time', () => {
    const ids = benchmarkPromptIds(512, 4096);
    expect(ids).toHaveLength(512);
    expect(ids.every((id) => Number.isInteger(id) && id >= 0 && id < 4096)).toBe(true);
    expect(new Set(ids).size).toBeGreaterThan(400);
    expect(benchmarkPromptIds(512, 4096)).toEqual(ids);
  });

  it('hashes order and value', () => {
    expect(hashPromptIds([1, 2])).not.toBe(hashPromptIds([2, 1]));
    // printf '\x01\x00\x00\x00' | sha256sum
    expect(hashPromptIds([1])).toBe('67abdd721024f0ff4e0b3f4c2fc13bc5bad42d0b7851d456d88d203d15aaa450');
  });
});

describe('textPrompt', () => {
  /** Words are tokens; a cut through a word reads back as another one. */
  const words = ['the', 'graph', 'is', 'cut', 'into', 'stages'];
  const codec = {
    tokenize: (text: string) => Promise.resolve(text.split(' ').filter((word) => word !== '').map((word) => (words.includes(word) ? words.indexOf(word) : 99))),
    detokenize: (ids: readonly number[]) => Promise.resolve(ids.map((id) => words[id] ?? '?').join(' ')),
  };

  it('gives the asked number of ids whose text is read as the same', async () => {
    const prompt = await textPrompt(codec, `${words.join(' ')} `, 20, 50);
    expect([prompt.ids.length, prompt.readsBack]).toEqual([20, true]);
    expect(await codec.tokenize(prompt.text)).toEqual(prompt.ids);
  });

  it('tries another cut where one does not read back, and falls back to the usual ids where none does', async () => {
    const fickle = { ...codec, tokenize: async (text: string) => (text.startsWith('the') && text.length < 60 ? [99] : codec.tokenize(text)) };
    expect(await textPrompt(fickle, `${words.join(' ')} `.repeat(4), 6, 50)).toMatchObject({ ids: [1, 2, 3, 4, 5, 0], readsBack: true });
    const lossy = { ...codec, detokenize: () => Promise.resolve('?') };
    expect(await textPrompt(lossy, words.join(' '), 4, 50)).toEqual({ ids: benchmarkPromptIds(4, 50), text: '?', readsBack: false });
    expect(await textPrompt(codec, '', 4, 50)).toMatchObject({ readsBack: false });
  });
});

describe('surroundings', () => {
  const gpu = 'cuda:0' as DeviceId;

  it('averages power over time and devices, and answers undefined without enough readings', () => {
    const at = (timeMs: number, powerWatts?: number) => ({ timeMs, devices: [{ id: gpu, powerWatts }, { id: 'cuda:1' as DeviceId, powerWatts: 1000 }] });
    expect(averagePower([at(0, 100), at(1000, 300), at(2000, 300)], [gpu])).toEqual({ averageWatts: 250, readings: 3 });
    expect(averagePower([at(0, 100), at(1000, 300)], [gpu, 'cuda:1'])?.averageWatts).toBe(1200);
    expect(averagePower([at(0), at(1000)], [gpu])).toBeUndefined();
    expect(averagePower([at(0, 100)], [gpu])).toBeUndefined();
    expect(averagePower([at(0, 100), at(1000, 300)], ['cpu'])).toBeUndefined();
  });

  it('says what used the devices before, and nothing of a quiet machine', () => {
    const cpu = 'cpu' as DeviceId;
    expect(describeBefore({ timeMs: 0, devices: [{ id: cpu, utilizationPercent: 3 }, { id: gpu, utilizationPercent: 0, processes: [] }] })).toEqual([]);
    expect(describeBefore({ timeMs: 0, devices: [{ id: cpu, utilizationPercent: 85 }, { id: gpu, utilizationPercent: 40, processes: [{ pid: 7, name: 'game', usedBytes: 2 ** 30 }] }] })).toEqual([
      'cpu was busy to 85 %',
      'cuda:0 was in use by game (1.0 GiB)',
      'cuda:0 was busy to 40 %',
    ]);
  });

  it('cautions about other programs on the cores, not about our own', () => {
    const at = (utilizationPercent: number, ownUtilizationPercent: number) => ({ timeMs: 0, devices: [{ id: 'cpu' as DeviceId, utilizationPercent, ownUtilizationPercent }] });
    expect(surroundingsCautions([at(100, 200), at(100, 196)], [], 2)).toEqual([]);
    expect(surroundingsCautions([at(100, 100), at(100, 80)], [], 2)).toEqual(['other programs took 55 % of the cores in the median']);
  });

  it('names other processes, throttling and loss once each, and not our own process', () => {
    const sample = { timeMs: 0, devices: [{ id: gpu, processes: [{ pid: 7, name: 'game' }, { pid: 9 }], throttleReasons: ['thermal'] }] };
    expect(surroundingsCautions([sample, sample], [9])).toEqual(['cuda:0 was also used by game', 'cuda:0 was throttled: thermal']);
  });
});
