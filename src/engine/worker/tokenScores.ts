/** How probable a text was to the model, token by token: what perplexity and token agreement are made of. */

import { throwIfAborted } from '../../common/errors';
import type { ScoreResult } from '../../common/protocol/engine';
import { expScores, indexOfMax } from '../../generation/scoreRow';

/** What is needed of a runner to score a text. */
export interface ScoringRunner {
  readonly vocabSize: number;
  readonly prefillChunkTokens: number;
  /** The logits after every one of `ids`, f32[ids.length, vocabSize]. */
  prefillAllLogits(slot: number, ids: Int32Array): Promise<Float32Array>;
}

/** Rows of logits held at a time: 64 MiB of them. */
const mostLogits = 2 ** 24;

/**
 * Teacher-forced: position i is judged by what the model said after ids 0 … i.
 *
 * @returns  ids.length − 1 entries: `logProbs[i]` of ids[i + 1], and `bestIds[i]`, the token the model held most probable there.
 * @throws {CancelledError}
 */
export async function scoreTokens(runner: ScoringRunner, slot: number, ids: readonly number[], signal: AbortSignal): Promise<ScoreResult> {
  const logProbs: number[] = [];
  const bestIds: number[] = [];
  const chunkTokens = Math.max(1, Math.min(runner.prefillChunkTokens, Math.floor(mostLogits / runner.vocabSize)));
  // Nothing follows the last id, so it need not be read.
  const end = ids.length - 1;
  for (let at = 0; at < end; at += chunkTokens) {
    throwIfAborted(signal, 'Scoring the text');
    const chunk = Int32Array.from(ids.slice(at, Math.min(end, at + chunkTokens)));
    const logits = await runner.prefillAllLogits(slot, chunk);
    for (let row = 0; row < chunk.length; row += 1) {
      const scores = logits.subarray(row * runner.vocabSize, (row + 1) * runner.vocabSize);
      const best = indexOfMax(scores);
      const next = ids[at + row + 1] ?? 0;
      bestIds.push(best);
      logProbs.push((scores[next] ?? NaN) - (scores[best] ?? NaN) - Math.log(expScores(scores).sum));
    }
  }
  return { logProbs, bestIds };
}
