import { describe, expect, it } from 'vitest';
import { scoreTokens, type ScoringRunner } from '../../../../src/engine/worker/tokenScores';
import { CancelledError } from '../../../../src/common/errors';

/** Always says: the next id is one higher with probability 1/2, the others share the rest. */
function countingRunner(vocabSize: number, prefillChunkTokens: number): ScoringRunner & { readonly chunks: number[][] } {
  const chunks: number[][] = [];
  return {
    vocabSize,
    prefillChunkTokens,
    chunks,
    prefillAllLogits: (_slot, ids) => {
      chunks.push([...ids]);
      const logits = new Float32Array(ids.length * vocabSize);
      ids.forEach((id, row) => (logits[row * vocabSize + ((id + 1) % vocabSize)] = Math.log(vocabSize - 1)));
      return Promise.resolve(logits);
    },
  };
}

describe('scoreTokens', () => {
  it('gives the log-probability of each id after those before it, in chunks, without reading the last', async () => {
    const runner = countingRunner(9, 2);
    const { logProbs, bestIds } = await scoreTokens(runner, 0, [3, 4, 5, 1], new AbortController().signal);
    expect(runner.chunks).toEqual([[3, 4], [5]]);
    expect(bestIds).toEqual([4, 5, 6]);
    expect(logProbs[0]).toBeCloseTo(Math.log(1 / 2), 6);
    expect(logProbs[1]).toBeCloseTo(Math.log(1 / 2), 6);
    expect(logProbs[2]).toBeCloseTo(Math.log(1 / 16), 6);
  });

  it('keeps the logits of one chunk small whatever the vocabulary', async () => {
    const runner = countingRunner(2 ** 23, 512);
    await scoreTokens(runner, 0, [1, 2, 3, 4], new AbortController().signal);
    expect(runner.chunks).toEqual([[1, 2], [3]]);
  });

  it('stops between chunks when cancelled', async () => {
    const controller = new AbortController();
    controller.abort();
    await expect(scoreTokens(countingRunner(9, 2), 0, [1, 2, 3], controller.signal)).rejects.toBeInstanceOf(CancelledError);
  });
});
