import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { CancelledError } from '../../../src/common/errors';
import { defaultLength, greedySampling, type GenerationOptions } from '../../../src/common/sampling';
import type { GenerationRequest, Generator } from '../../../src/generation/generation';
import { createGenerator } from '../../../src/generation/generator';
import { createFakeRunner, greedyContinuation, wordTokenizer, type FakeRunner, type FakeRunnerOptions } from './fakeRunner';

const request = (promptIds: readonly number[], options: Partial<GenerationOptions> = {}, more: Partial<GenerationRequest> = {}): GenerationRequest => ({
  promptIds,
  options: { ...greedySampling, ...defaultLength, maxNewTokens: 6, ...options },
  eosIds: [],
  ...more,
});

function setUp(options: FakeRunnerOptions = {}): { runner: FakeRunner; generator: Generator } {
  const runner = createFakeRunner(options);
  return { runner, generator: createGenerator(runner, wordTokenizer, { nowMs: runner.nowMs, drawSeed: () => 99 }) };
}

const prompt = [1, 2, 3, 4, 5, 6, 7, 8, 9];

describe('generate', () => {
  it('prefills in chunks, reports progress, decodes, and gives the model’s own continuation', async () => {
    const { runner, generator } = setUp();
    const progress: number[] = [];
    const outcome = await generator.generate(request(prompt), { onPrefillProgress: ({ doneTokens }) => progress.push(doneTokens) });
    expect(outcome.ids).toEqual(greedyContinuation(prompt, 6));
    expect(runner.steps.filter((step) => !step.startsWith('rewind'))).toEqual(['prefill 0 +4', 'prefill 0 +4', 'prefill 0 +1', 'decode 0', 'decode 0', 'decode 0', 'decode 0', 'decode 0']);
    expect(progress).toEqual([0, 4, 8, 9]);
    expect(outcome).toMatchObject({ stopReason: 'length', promptTokens: 9, reusedTokens: 0, seed: undefined });
  });

  it.each([
    [12, ['+4', '+4', '+2', '+2']],
    [11, ['+4', '+4', '+2', '+1']],
    [10, ['+4', '+4', '+2']],
    [3, ['+2', '+1']],
  ])('halves a last chunk that would keep all stages but one waiting: %i tokens', async (count, chunks) => {
    const { runner, generator } = setUp({ finalChunkTokens: 2 });
    const ids = Array.from({ length: count }, (_, index) => index + 1);
    const outcome = await generator.generate(request(ids));
    expect(outcome.ids).toEqual(greedyContinuation(ids, 6));
    expect(runner.steps.filter((step) => step.startsWith('prefill')).map((step) => step.split(' ')[2])).toEqual(chunks);
  });

  it('measures from submit to tokens', async () => {
    const { generator } = setUp();
    const outcome = await generator.generate(request(prompt));
    expect(outcome).toMatchObject({ ttftMs: 9, tpotMs: 10, decodeTokensPerSecond: 100, prefillTokensPerSecond: 1000, totalMs: 59, queuedMs: 0, tokenTimesMs: [9, 19, 29, 39, 49, 59] });
  });

  it('says whole characters as they come, and the text is what was said', async () => {
    const { generator } = setUp();
    const said: string[] = [];
    const outcome = await generator.generate(request(prompt, { maxNewTokens: 30 }), { onDelta: ({ text }) => said.push(text) });
    const decoder = wordTokenizer.streamDecoder();
    expect(outcome.text).toBe(outcome.ids.map((id) => decoder.push(id)).join('') + decoder.end());
    expect(said.join('')).toBe(outcome.text);
    expect(said.slice(0, -1).join('')).not.toContain('\ufffd');
  });

  it('stops at EOS, keeps its id and not its text', async () => {
    const { generator } = setUp();
    const want = greedyContinuation(prompt, 6);
    const eos = want[3]!;
    const end = want.indexOf(eos);
    const outcome = await generator.generate(request(prompt, {}, { eosIds: [eos] }));
    expect(outcome).toMatchObject({ stopReason: 'eos', ids: want.slice(0, end + 1) });
    const decoder = wordTokenizer.streamDecoder();
    expect(outcome.text).toBe(want.slice(0, end).map((id) => decoder.push(id)).join('') + decoder.end());
    const ignoring = await generator.generate(request(prompt, { ignoreEos: true }, { eosIds: [eos] }));
    expect(ignoring).toMatchObject({ stopReason: 'length', ids: want });
  });

  it('stops before a stop string that spans tokens', async () => {
    const { generator } = setUp();
    const whole = await generator.generate(request(prompt, { maxNewTokens: 12 }));
    const at = Math.floor(whole.text.length / 2);
    const stop = whole.text.slice(at, at + 5);
    const outcome = await generator.generate(request(prompt, { maxNewTokens: 12, stopStrings: [stop] }));
    expect(outcome).toMatchObject({ stopReason: 'stop-string', text: whole.text.slice(0, whole.text.indexOf(stop)) });
  });

  it('announces a context that is too short for the answer, then cuts there', async () => {
    const { generator } = setUp({ contextTokens: 12 });
    const onContextLimit = vi.fn();
    const outcome = await generator.generate(request(prompt), { onContextLimit });
    expect(onContextLimit).toHaveBeenCalledExactlyOnceWith({ promptTokens: 9, contextTokens: 12, roomTokens: 3, maxNewTokens: 6 });
    expect(outcome).toMatchObject({ stopReason: 'context', ids: greedyContinuation(prompt, 3) });
  });

  it.each([
    ['a prompt that fills the context', request(Array.from({ length: 12 }, () => 1)), 'prompt-too-long'],
    ['an empty prompt', request([]), 'prompt-empty'],
    ['an id beyond the vocabulary', request([1, 50]), 'bad-token-id'],
    ['a negative temperature', request([1], { temperature: -1 }), 'bad-sampling-option'],
    ['top_p above 1', request([1], { topP: 1.5 }), 'bad-sampling-option'],
    ['NaN', request([1], { minP: NaN }), 'bad-sampling-option'],
    ['an empty stop string', request([1], { stopStrings: [''] }), 'bad-sampling-option'],
    ['no tokens to generate', request([1], { maxNewTokens: 0 }), 'bad-sampling-option'],
  ])('refuses %s before anything runs', async (_what, bad, code) => {
    const { runner, generator } = setUp({ contextTokens: 12 });
    await expect(generator.generate(bad)).rejects.toMatchObject({ code });
    expect(runner.steps).toEqual([]);
  });

  it('gives the same tokens for a seed, reports a drawn one, and others for another', async () => {
    const { generator } = setUp();
    const sampled = (seed?: number) => generator.generate(request(prompt, { doSample: true, temperature: 2, maxNewTokens: 20, seed }));
    const drawn = await sampled();
    expect(drawn.seed).toBe(99);
    expect((await sampled(99)).ids).toEqual(drawn.ids);
    expect((await sampled(100)).ids).not.toEqual(drawn.ids);
  });
});

describe('prefix reuse', () => {
  it('prefills only what is new, and the tokens equal those of a fresh run', async () => {
    const { runner, generator } = setUp();
    const first = await generator.generate(request(prompt, {}, { conversationKey: 'a' }));
    const next = [...prompt, ...first.ids, 20, 21];
    runner.steps.length = 0;
    const second = await generator.generate(request(next, {}, { conversationKey: 'a' }));
    // The last token of the first answer was chosen but never fed.
    expect(second.reusedTokens).toBe(prompt.length + first.ids.length - 1);
    expect(runner.steps.slice(0, 2)).toEqual([`rewind 0 ${second.reusedTokens}`, 'prefill 0 +3']);
    expect(second.ids).toEqual(greedyContinuation(next, 6));
  });

  it('leaves one token to prefill when the prompt is known completely', async () => {
    const { generator } = setUp();
    await generator.generate(request(prompt));
    const again = await generator.generate(request(prompt));
    expect(again).toMatchObject({ reusedTokens: 8, ids: greedyContinuation(prompt, 6) });
  });

  it('is not led astray by an edit in the middle', async () => {
    const { generator } = setUp();
    await generator.generate(request(prompt, {}, { conversationKey: 'a' }));
    const edited = [1, 2, 3, 30, 5, 6, 7, 8, 9];
    expect(await generator.generate(request(edited, {}, { conversationKey: 'a' }))).toMatchObject({ reusedTokens: 3, ids: greedyContinuation(edited, 6) });
  });

  it('ends when the conversation is forgotten', async () => {
    const { runner, generator } = setUp();
    await generator.generate(request(prompt, {}, { conversationKey: 'a' }));
    generator.forget('a');
    expect(runner.length(0)).toBe(0);
    expect((await generator.generate(request(prompt, {}, { conversationKey: 'a' }))).reusedTokens).toBe(0);
  });

  it('keeps conversations apart, and gives up the one used longest ago when slots run out', async () => {
    const { generator } = setUp({ maxBatch: 2 });
    const say = (conversationKey: string, first: number) => generator.generate(request([first, 2, 3, 4], {}, { conversationKey }));
    await say('a', 10);
    await say('b', 11);
    expect((await say('a', 10)).reusedTokens).toBe(3);
    await say('c', 12);
    expect((await say('a', 10)).reusedTokens).toBe(3);
    expect((await say('b', 11)).reusedTokens).toBe(0);
  });
});

describe('cancelling', () => {
  it.each(['prefill 0 +4', 'decode 0'])('ends within the step "%s" with the text so far, and the slot stays usable', async (when) => {
    const controller = new AbortController();
    const { runner, generator } = setUp({ onStep: (step) => (step === when && runner.steps.filter((other) => other === when).length === 2 ? controller.abort() : undefined) });
    const outcome = await generator.generate(request(prompt), {}, controller.signal);
    expect(outcome.stopReason).toBe('cancelled');
    expect(runner.steps.at(-1)).toBe(when);
    expect(outcome.ids).toEqual(greedyContinuation(prompt, outcome.ids.length));
    expect(outcome.ids).toHaveLength(when.startsWith('decode') ? 2 : 0);
    const next = await generator.generate(request(prompt));
    expect(next.ids).toEqual(greedyContinuation(prompt, 6));
    expect(next.reusedTokens).toBe(8);
  });

  it('takes a step that the runner broke off for the cancel as cancelled', async () => {
    const controller = new AbortController();
    let steps = 0;
    const { generator } = setUp({ onStep: () => { if (++steps === 2) { controller.abort(); throw new CancelledError('Prefill'); } } });
    expect(await generator.generate(request(prompt), {}, controller.signal)).toMatchObject({ stopReason: 'cancelled', ids: [] });
    expect(await generator.generate(request(prompt))).toMatchObject({ reusedTokens: 4, ids: greedyContinuation(prompt, 6) });
  });

  it('takes a request out of the queue, and one that was cancelled before runs nothing', async () => {
    const { runner, generator } = setUp({ maxBatch: 1 });
    const controller = new AbortController();
    const running = generator.generate(request(prompt), { onDelta: () => controller.abort() });
    const queued = generator.generate(request([9, 8, 7]), {}, controller.signal);
    expect(await queued).toMatchObject({ stopReason: 'cancelled', ids: [], ttftMs: undefined });
    expect((await running).stopReason).toBe('length');
    runner.steps.length = 0;
    await generator.generate(request(prompt), {}, AbortSignal.abort());
    expect(runner.steps).toEqual([]);
  });

  it('dispose ends everything and refuses what comes later', async () => {
    const { generator } = setUp({ maxBatch: 1 });
    const both = [generator.generate(request(prompt, { maxNewTokens: 50 })), generator.generate(request([5]))];
    await generator.dispose();
    expect((await Promise.all(both)).map(({ stopReason }) => stopReason)).toEqual(['cancelled', 'cancelled']);
    await expect(generator.generate(request(prompt))).rejects.toMatchObject({ code: 'generator-disposed' });
    await expect(generator.exclusive(() => Promise.resolve())).rejects.toMatchObject({ code: 'generator-disposed' });
  });
});

describe('batches', () => {
  it('decodes joined requests together and queues the rest', async () => {
    const { runner, generator } = setUp({ maxBatch: 2 });
    const results = [[1, 2], [3, 4], [5, 6]].map((ids) => generator.generate(request(ids)));
    await Promise.resolve();
    expect(generator.runningCount + generator.queuedCount).toBe(3);
    const outcomes = await Promise.all(results);
    outcomes.forEach(({ ids }, i) => expect(ids).toEqual(greedyContinuation([[1, 2], [3, 4], [5, 6]][i]!, 6)));
    expect(runner.steps).toContain('decode 0,1');
    expect(outcomes[2]!.queuedMs).toBeGreaterThan(0);
    expect(generator.runningCount + generator.queuedCount).toBe(0);
  });

  it('lets a joiner’s chunks and the running answers take turns', async () => {
    const { runner, generator } = setUp({ maxBatch: 2 });
    let joined: Promise<unknown> | undefined;
    await generator.generate(request([1], { maxNewTokens: 8 }), { onDelta: ({ generatedTokens }) => (joined ??= generatedTokens === 2 ? generator.generate(request(prompt)) : undefined) });
    await joined;
    const steps = runner.steps.filter((step) => !step.startsWith('rewind'));
    expect(steps.slice(steps.indexOf('prefill 1 +4'), steps.indexOf('prefill 1 +1') + 2)).toEqual(['prefill 1 +4', 'decode 0', 'prefill 1 +4', 'decode 0', 'prefill 1 +1', 'decode 0,1']);
  });

  it('gives each request what it would get alone, whatever else runs (property)', async () => {
    const one = fc.record({ ids: fc.array(fc.nat(49), { minLength: 1, maxLength: 20 }), maxNewTokens: fc.integer({ min: 1, max: 15 }), seed: fc.nat(100), doSample: fc.boolean(), key: fc.option(fc.constantFrom('a', 'b'), { nil: undefined }), delay: fc.nat(12), cancelAt: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }) });
    await fc.assert(
      fc.asyncProperty(fc.array(one, { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 3 }), async (specs, maxBatch) => {
        const { generator } = setUp({ maxBatch, numTop: 8 });
        const run = async (target: Generator, { ids, maxNewTokens, seed, doSample, key, delay, cancelAt }: (typeof specs)[number], isAlone: boolean) => {
          for (let turn = 0; turn < delay; turn++) {
            await Promise.resolve();
          }
          const controller = new AbortController();
          const onDelta = isAlone || cancelAt === undefined ? undefined : ({ generatedTokens }: { generatedTokens: number }) => (generatedTokens === cancelAt ? controller.abort() : undefined);
          return target.generate(request(ids, { maxNewTokens, seed, doSample, topK: 5 }, { conversationKey: key }), { onDelta }, controller.signal);
        };
        const together = await Promise.all(specs.map((spec) => run(generator, spec, false)));
        for (const [i, spec] of specs.entries()) {
          const alone = await run(setUp({ maxBatch: 1 }).generator, spec, true);
          const got = together[i]!;
          expect(got.ids).toEqual(got.stopReason === 'cancelled' ? alone.ids.slice(0, got.ids.length) : alone.ids);
        }
      }),
      { numRuns: 80 },
    );
  });
});

describe('failures', () => {
  it('of a decode step reach the requests in it, and the next request works', async () => {
    let fails = true;
    const { generator } = setUp({ onStep: (step) => { if (fails && step.startsWith('decode')) { throw new Error('device lost'); } } });
    const results = await Promise.allSettled([generator.generate(request([1, 2])), generator.generate(request([3, 4]))]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    fails = false;
    expect((await generator.generate(request([1, 2]))).ids).toEqual(greedyContinuation([1, 2], 6));
  });

  it('of one listener are that request’s alone', async () => {
    const { generator } = setUp();
    const bad = generator.generate(request([1, 2]), { onDelta: () => { throw new Error('view gone'); } });
    const good = generator.generate(request([3, 4]));
    await expect(bad).rejects.toThrow('view gone');
    expect((await good).ids).toEqual(greedyContinuation([3, 4], 6));
  });
});

describe('exclusive', () => {
  it('waits for running requests, has an empty slot, and holds back the next', async () => {
    const { runner, generator } = setUp({ maxBatch: 1 });
    const order: string[] = [];
    const first = generator.generate(request(prompt)).then(() => order.push('first'));
    const work = generator.exclusive(async (slot) => {
      expect(runner.length(slot)).toBe(0);
      const later = generator.generate(request([7, 7])).then(({ ids }) => { order.push('later'); expect(ids).toEqual(greedyContinuation([7, 7], 6)); });
      const logits = await runner.prefill(slot, Int32Array.of(1, 2), true);
      order.push('work');
      return { later, row: await logits!.full() };
    });
    const { later, row } = await work;
    await Promise.all([first, later]);
    expect(order).toEqual(['first', 'work', 'later']);
    expect(row).toHaveLength(50);
  });
});
