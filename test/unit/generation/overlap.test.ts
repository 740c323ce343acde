/** The loop over a runner that queues calls and works on several at a time, as GPUs do. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultLength, greedySampling } from '../../../src/common/sampling';
import type { GenerationRequest, Generator } from '../../../src/generation/generation';
import { createGenerator } from '../../../src/generation/generator';
import type { DecodeRow, StepLogits, StepRunner } from '../../../src/generation/stepRunner';
import { greedyContinuation, logitsAfter, topOf, wordTokenizer } from './fakeRunner';

const vocabSize = 50;
const mostQueued = 2;

interface QueueingRunner extends StepRunner {
  /** Begin and end of each call, in order: `+P0` `-P0` `+D0,1`. */
  readonly log: string[];
  failDecode: boolean;
}

/** What a slot holds changes when a call is queued, as on a device that works in order; results come some turns of the event loop later. */
function queueingRunner({ maxBatch = 2, prefillTurns = 5, decodeTurns = 2 } = {}): QueueingRunner {
  const slots = Array.from({ length: maxBatch }, (): number[] => []);
  const log: string[] = [];
  let chunksUnderWay = 0;
  const turns = async (count: number): Promise<void> => {
    for (let turn = 0; turn < count; turn += 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const room = async (): Promise<void> => {
    while (chunksUnderWay >= mostQueued) {
      await turns(1);
    }
  };
  const rowOf = (slot: number): StepLogits => {
    const row = logitsAfter(slots[slot]!, vocabSize);
    return { top: topOf(row, 8), full: () => Promise.resolve(row) };
  };
  const runner: QueueingRunner = {
    vocabSize,
    contextTokens: 64,
    maxBatch,
    prefillChunkTokens: 4,
    chunkTokensBesideAnswers: 2,
    overlapsCalls: true,
    log,
    failDecode: false,
    room,
    length: (slot) => slots[slot]!.length,
    rewindTo: (slot, length) => {
      expect(length).toBeLessThanOrEqual(slots[slot]!.length);
      slots[slot]!.length = length;
    },
    prefill: async (slot, ids, wantLogits) => {
      await room();
      chunksUnderWay += 1;
      expect(chunksUnderWay).toBeLessThanOrEqual(mostQueued);
      log.push(`+P${slot}x${ids.length}`);
      slots[slot]!.push(...ids);
      const logits = rowOf(slot);
      const done = turns(prefillTurns).then(() => {
        chunksUnderWay -= 1;
        log.push(`-P${slot}`);
      });
      if (!wantLogits) {
        return undefined;
      }
      await done;
      return logits;
    },
    decode: async (rows: readonly DecodeRow[]) => {
      log.push(`+D${rows.map(({ slot }) => slot).join(',')}`);
      if (runner.failDecode) {
        throw new Error('device lost');
      }
      rows.forEach(({ slot, tokenId }) => slots[slot]!.push(tokenId));
      const logits = rows.map(({ slot }) => rowOf(slot));
      await turns(decodeTurns);
      log.push('-D');
      return logits;
    },
  };
  return runner;
}

const generatorOf = (runner: StepRunner): Generator => createGenerator(runner, wordTokenizer, { nowMs: () => 0, drawSeed: () => 1, breathe: () => new Promise((resolve) => setImmediate(resolve)) });

const request = (promptIds: readonly number[], maxNewTokens = 6, more: Partial<GenerationRequest> = {}): GenerationRequest => ({
  promptIds,
  options: { ...greedySampling, ...defaultLength, maxNewTokens },
  eosIds: [],
  ...more,
});

const numbers = (count: number, from = 0): number[] => Array.from({ length: count }, (_, index) => (from + index) % vocabSize);

describe('over a runner whose calls overlap', () => {
  it('queues the next chunk before the last is done, and gives the model’s own continuation', async () => {
    const runner = queueingRunner();
    const outcome = await generatorOf(runner).generate(request(numbers(14)));
    expect(outcome.ids).toEqual(greedyContinuation(numbers(14), 6));
    expect(runner.log.slice(0, 3)).toEqual(['+P0x4', '+P0x4', '-P0']);
  });

  it('reads the next prompt while the logits of the last are awaited', async () => {
    const runner = queueingRunner();
    const generator = generatorOf(runner);
    await Promise.all([generator.generate(request(numbers(4))), generator.generate(request(numbers(4, 7)))]);
    expect(runner.log.slice(0, 3)).toEqual(['+P0x4', '+P1x4', '-P0']);
  });

  it('decodes beside a prompt, which is then read in smaller pieces', async () => {
    const runner = queueingRunner({ maxBatch: 2 });
    const generator = generatorOf(runner);
    let second: ReturnType<Generator['generate']> | undefined;
    const first = generator.generate(request(numbers(3), 30), { onDelta: () => void (second ??= generator.generate(request(numbers(24, 9), 4))) });
    expect((await first).ids).toEqual(greedyContinuation(numbers(3), 30));
    expect((await second)?.ids).toEqual(greedyContinuation(numbers(24, 9), 4));
    const chunks = runner.log.filter((entry) => entry.startsWith('+P1'));
    expect(chunks).toContain('+P1x2');
    const during = runner.log.slice(runner.log.indexOf(chunks[0]!), runner.log.lastIndexOf('-P1'));
    expect(during.filter((entry) => entry.startsWith('+D')).length).toBeGreaterThan(1);
  });

  it('fails the requests of a failing step and serves the next', async () => {
    const runner = queueingRunner();
    const generator = generatorOf(runner);
    runner.failDecode = true;
    await expect(generator.generate(request(numbers(5)))).rejects.toThrow('device lost');
    runner.failDecode = false;
    expect((await generator.generate(request(numbers(5, 3)))).ids).toEqual(greedyContinuation(numbers(5, 3), 6));
  });

  it('gives each request what it would get alone, whatever else runs or is cancelled (property)', async () => {
    const one = fc.record({
      ids: fc.array(fc.nat(49), { minLength: 1, maxLength: 20 }),
      maxNewTokens: fc.integer({ min: 1, max: 12 }),
      delay: fc.nat(20),
      cancelAfter: fc.option(fc.nat(25), { nil: undefined }),
      key: fc.option(fc.constantFrom('a', 'b'), { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(one, { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 3 }), fc.nat(6), fc.nat(6), async (specs, maxBatch, prefillTurns, decodeTurns) => {
        const runner = queueingRunner({ maxBatch, prefillTurns, decodeTurns });
        const generator = generatorOf(runner);
        const outcomes = await Promise.all(
          specs.map(async ({ ids, maxNewTokens, delay, cancelAfter, key }) => {
            const controller = new AbortController();
            const wait = async (count: number): Promise<void> => {
              for (let turn = 0; turn < count; turn += 1) {
                await new Promise((resolve) => setImmediate(resolve));
              }
            };
            await wait(delay);
            if (cancelAfter !== undefined) {
              void wait(cancelAfter).then(() => controller.abort());
            }
            return generator.generate(request(ids, maxNewTokens, { conversationKey: key }), {}, controller.signal);
          }),
        );
        outcomes.forEach(({ ids, stopReason }, index) => {
          const { ids: prompt, maxNewTokens } = specs[index]!;
          const alone = greedyContinuation(prompt, maxNewTokens);
          expect(ids).toEqual(stopReason === 'cancelled' ? alone.slice(0, ids.length) : alone);
        });
        await generator.dispose();
      }),
      {
        numRuns: 200,
        // A chunk that was cancelled while it waited for room wrote into the slot of the next request.
        examples: [
          [
            [
              { ids: [0, 0, 0, 0, 0, 0, 0, 0, 0], maxNewTokens: 2, delay: 1, cancelAfter: undefined, key: undefined },
              { ids: [1, 0, 0, 0, 0], maxNewTokens: 1, delay: 14, cancelAfter: 9, key: undefined },
              { ids: [0, 0, 0, 0, 0, 0, 0], maxNewTokens: 5, delay: 1, cancelAfter: undefined, key: 'a' },
              { ids: [0], maxNewTokens: 1, delay: 14, cancelAfter: undefined, key: undefined },
              { ids: [0], maxNewTokens: 1, delay: 14, cancelAfter: undefined, key: undefined },
              { ids: [0], maxNewTokens: 1, delay: 0, cancelAfter: undefined, key: undefined },
            ],
            3,
            4,
            0,
          ],
        ],
      },
    );
  });
});
