import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultLength, greedySampling, type GenerationOptions } from '../../../src/common/sampling';
import { createRandom } from '../../../src/generation/random';
import { chooseToken as choose, distributionOf, type SamplerState } from '../../../src/generation/sampler';
import { indexOfMax, RowWorkspace } from '../../../src/generation/scoreRow';
import type { StepLogits } from '../../../src/generation/stepRunner';
import { logitsAfter, topOf } from './fakeRunner';

const state = (options: Partial<GenerationOptions>, more: Partial<SamplerState> = {}): SamplerState => ({
  options: { ...greedySampling, ...defaultLength, doSample: true, ...options },
  eosIds: [],
  seen: new Set(),
  generatedTokens: 0,
  random: createRandom(1),
  workspace: new RowWorkspace(),
  ...more,
});
const full = (row: Float32Array) => ({ full: () => Promise.resolve(row) });
const chooseToken = async (logits: StepLogits, given: SamplerState, vocabSize = 50): Promise<number> => choose(logits, vocabSize, given);
const kept = (logits: readonly number[], options: Partial<GenerationOptions>, more?: Partial<SamplerState>): number[] => distributionOf(Float32Array.from(logits), state(options, more)).map(({ id }) => id);
const row = fc.uniqueArray(fc.integer({ min: -4000, max: 4000 }), { minLength: 1, maxLength: 60 }).map((values) => values.map((value) => value / 256));

/** transformers' processors, written the way torch does them: whole rows, sums from the least likely up. */
function reference(logits: readonly number[], options: GenerationOptions, seen: ReadonlySet<number>): number[] {
  let scores = logits.map((x, id) => (seen.has(id) ? (x < 0 ? x * options.repetitionPenalty : x / options.repetitionPenalty) : x)).map(Math.fround);
  scores = scores.map((x) => Math.fround(x / options.temperature));
  const softmax = (xs: readonly number[]): number[] => {
    const max = Math.max(...xs);
    const exps = xs.map((x) => Math.exp(x - max));
    const sum = exps.reduce((a, b) => a + b, 0);
    return exps.map((x) => x / sum);
  };
  if (options.topK > 0) {
    const threshold = [...scores].sort((a, b) => b - a)[Math.min(options.topK, scores.length) - 1]!;
    scores = scores.map((x) => (x < threshold ? -Infinity : x));
  }
  if (options.topP < 1) {
    const probabilities = softmax(scores);
    const ascending = scores.map((_, i) => i).sort((a, b) => scores[a]! - scores[b]! || b - a);
    let sum = 0;
    const out = new Set<number>();
    ascending.forEach((i, rank) => {
      sum += probabilities[i]!;
      if (sum <= 1 - options.topP && rank < ascending.length - 1) {
        out.add(i);
      }
    });
    scores = scores.map((x, i) => (out.has(i) ? -Infinity : x));
  }
  if (options.minP > 0) {
    const probabilities = softmax(scores);
    const top = Math.max(...probabilities);
    const best = probabilities.indexOf(top);
    scores = scores.map((x, i) => (i !== best && probabilities[i]! < options.minP * top ? -Infinity : x));
  }
  return softmax(scores);
}

describe('the processors together', () => {
  it('give the distribution of transformers’ order and definitions (property)', () => {
    const options = fc.record({
      temperature: fc.double({ min: 0.1, max: 3, noNaN: true }),
      topK: fc.nat(70),
      topP: fc.double({ min: 0.05, max: 1, noNaN: true }),
      minP: fc.double({ min: 0, max: 0.5, noNaN: true }),
      repetitionPenalty: fc.double({ min: 0.5, max: 2, noNaN: true }),
    });
    fc.assert(
      fc.property(row, options, fc.uniqueArray(fc.nat(59), { maxLength: 10 }), (logits, chosen, seen) => {
        const given = state(chosen, { seen: new Set(seen) });
        const single = logits.map(Math.fround);
        const want = reference(single, given.options, given.seen);
        const got = new Array<number>(single.length).fill(0);
        distributionOf(Float32Array.from(single), given).forEach(({ id, probability }) => (got[id] = probability));
        // A probability sum within rounding of topP may fall on either side: then exactly one token more or less is kept.
        const differing = want.filter((p, id) => p > 0 !== got[id]! > 0).length;
        expect(differing).toBeLessThanOrEqual(1);
        if (differing === 0) {
          want.forEach((p, id) => expect(got[id]).toBeCloseTo(p, 6));
        }
      }),
      { numRuns: 400 },
    );
  });

  it('keep what is equal to the last of top_k', () => {
    expect(kept([1, 3, 2, 2, 0], { topK: 2 })).toEqual([1, 2, 3]);
  });

  it('keep the token that reaches top_p, and at least one', () => {
    const logits = [0.5, 0.3, 0.15, 0.05].map(Math.log);
    expect(kept(logits, { topP: 0.79 })).toEqual([0, 1]);
    expect(kept(logits, { topP: 0.81 })).toEqual([0, 1, 2]);
    expect(kept(logits, { topP: 0 })).toEqual([0]);
  });

  it('drop what min_p times the likeliest exceeds', () => {
    expect(kept([0.5, 0.3, 0.15, 0.05].map(Math.log), { minP: 0.29 })).toEqual([0, 1, 2]);
  });

  it('divide positive and multiply negative scores of seen tokens', () => {
    const row = distributionOf(Float32Array.from([2, -2, 0]), state({ repetitionPenalty: 2 }, { seen: new Set([0, 1]) }));
    const sum = Math.exp(1) + Math.exp(-4) + 1;
    expect(row.map(({ id }) => id)).toEqual([0, 2, 1]);
    expect(row[0]!.probability).toBeCloseTo(Math.exp(1) / sum, 6);
  });

  it('keep a top_p set that lies far down a flat row of 150 thousand', () => {
    const flat = new Float32Array(151_552);
    expect(distributionOf(flat, state({ topP: 0.5 }))).toHaveLength(75_776);
  });
});

describe('stop tokens', () => {
  const logits = full(Float32Array.from([1, 9, 2]));
  it('cannot be chosen before min_new_tokens', async () => {
    const options = { doSample: false, minNewTokens: 3 };
    expect(await chooseToken(logits, state(options, { eosIds: [1], generatedTokens: 2 }))).toBe(2);
    expect(await chooseToken(logits, state(options, { eosIds: [1], generatedTokens: 3 }))).toBe(1);
    expect(await chooseToken(logits, state({ ...options, ignoreEos: true }, { eosIds: [1] }))).toBe(1);
  });
});

describe('greedy choice', () => {
  it('is the first of the highest in rows of any length, whatever is no number (property)', () => {
    const score = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(NaN, -Infinity, Infinity, -0));
    fc.assert(
      fc.property(fc.array(score, { maxLength: 40 }), (values) => {
        const numbers = values.filter((value) => value > -Infinity);
        const highest = Math.max(...numbers);
        expect(indexOfMax(Float32Array.from(values))).toBe(numbers.length === 0 ? -1 : values.findIndex((value) => value === highest));
      }),
    );
  });

  it('takes the first of equals, and temperature 0 means greedy', async () => {
    expect(await chooseToken(full(Float32Array.from([1, 5, 5, 0])), state({ doSample: false }))).toBe(1);
    expect(await chooseToken(full(Float32Array.from([1, 5, 5, 0])), state({ temperature: 0 }))).toBe(1);
  });

  it('reports numbers that are none', async () => {
    for (const bad of [NaN, Infinity, -Infinity]) {
      await expect(chooseToken(full(new Float32Array(4).fill(bad)), state({}))).rejects.toMatchObject({ code: 'logits-not-finite' });
    }
  });

  it('leaves the runner’s row as it was', async () => {
    const logits = Float32Array.from([1, 2, 3]);
    await chooseToken(full(logits), state({ temperature: 0.5, repetitionPenalty: 2 }, { seen: new Set([2]) }));
    expect([...logits]).toEqual([1, 2, 3]);
  });
});

describe('the device’s highest logits', () => {
  it('lead to the same choice as the whole row, whatever the options (property)', async () => {
    const options = fc.record({ doSample: fc.boolean(), temperature: fc.constantFrom(0.5, 1, 2), topK: fc.nat(12), topP: fc.constantFrom(0.3, 0.9, 1), minP: fc.constantFrom(0, 0.1), repetitionPenalty: fc.constantFrom(0.7, 1, 1.3, 3), minNewTokens: fc.nat(1) });
    await fc.assert(
      fc.asyncProperty(options, fc.array(fc.nat(49), { minLength: 1, maxLength: 30 }), fc.nat(1000), fc.integer({ min: 1, max: 20 }), async (chosen, history, seed, numTop) => {
        // Few different values, so that equals meet at every border; the square makes some of them stand out.
        const logits = logitsAfter(history, 50).map((x) => Math.round(x * Math.abs(x)));
        const more = { eosIds: [3, 7], seen: new Set(history) };
        const whole = await chooseToken(full(logits), state(chosen, { ...more, random: createRandom(seed) }));
        const short = await chooseToken({ top: topOf(logits, numTop), ...full(logits) }, state(chosen, { ...more, random: createRandom(seed) }));
        expect(short).toBe(whole);
      }),
      { numRuns: 400 },
    );
  });

  it('spare the whole row where they suffice', async () => {
    const logits = logitsAfter([1, 2, 3], 50);
    const never = { top: topOf(logits, 16), full: () => Promise.reject(new Error('asked for the whole row')) };
    expect(await chooseToken(never, state({ doSample: false }))).toBe(topOf(logits, 1).ids[0]);
    expect(topOf(logits, 8).ids).toContain(await chooseToken(never, state({ topK: 8, topP: 0.9 })));
    await expect(chooseToken(never, state({}))).rejects.toThrow('whole row');
    const clear = logitsAfter([1, 2, 3], 50).map((x) => 9 * x);
    const settled = { ...never, top: topOf(clear, 16) };
    expect(topOf(clear, 8).ids).toContain(await chooseToken(settled, state({ topP: 0.8 })));
    expect(topOf(clear, 8).ids).toContain(await chooseToken(settled, state({ minP: 0.1 })));
    await expect(chooseToken(settled, state({ topP: 0.8 }), 1e40)).rejects.toThrow('whole row');
  });
});

describe('createRandom', () => {
  it('draws the same numbers for a seed for ever', () => {
    const random = createRandom(42);
    expect([random.next(), random.next(), random.next()]).toEqual([0.6606157208001621, 0.1117019639532224, 0.0791056456144914]);
  });

  it('is even enough, and different for neighbouring seeds', () => {
    const bins = new Array<number>(10).fill(0);
    const random = createRandom(7);
    for (let i = 0; i < 20_000; i++) {
      bins[Math.floor(random.next() * 10)]! += 1;
    }
    // Chi-squared with 9 degrees of freedom is above 27.9 once in a thousand.
    expect(bins.reduce((sum, count) => sum + (count - 2000) ** 2 / 2000, 0)).toBeLessThan(27.9);
    expect(createRandom(1).next()).not.toBeCloseTo(createRandom(2).next(), 3);
  });

  it('follows the probabilities', async () => {
    const random = createRandom(3);
    const counts = [0, 0, 0];
    const logits = full(Float32Array.from([0.6, 0.3, 0.1].map(Math.log)));
    for (let i = 0; i < 5000; i++) {
      counts[await chooseToken(logits, state({}, { random }))]! += 1;
    }
    expect(counts[0]! / 5000).toBeCloseTo(0.6, 1);
    expect(counts[2]! / 5000).toBeCloseTo(0.1, 1);
  });
});

describe('the runner’s row', () => {
  it.each([{}, { doSample: false }, { temperature: 0.3, repetitionPenalty: 2, minNewTokens: 9 }, { doSample: false, repetitionPenalty: 2, minNewTokens: 9 }])('stays as it is with %j', async (options) => {
    const row = Float32Array.from([3, 1, 2, -4]);
    await chooseToken(full(row), state(options, { eosIds: [0], seen: new Set([0, 3]) }));
    expect([...row]).toEqual([3, 1, 2, -4]);
  });
});
