import { expScores, filterRow, type ScoreRow } from '../scoreRow';

/**
 * Keeps the smallest set of most likely tokens whose probabilities reach `topP` (the one that reaches it included); at least one.
 *
 * transformers adds up from the least likely and drops while the sum stays within 1 − topP, which keeps the same tokens.
 * @see transformers generation/logits_process.py, TopPLogitsWarper; arXiv 1904.09751
 */
export function keepTopP(row: ScoreRow, topP: number): ScoreRow {
  if (topP >= 1) {
    return row;
  }
  const { weights, sum } = expScores(row.scores);
  const kept = new Uint8Array(weights.length);
  // Sorting 150 thousand weights takes ten times as long as everything else here; the set nearly always lies within the few likely ones.
  if (!keepUntil(topP * sum, indicesAbove(weights, 1e-5), weights, kept)) {
    keepUntil(topP * sum, indicesAbove(weights, 0), weights, kept);
  }
  return filterRow(row, (_score, index) => kept[index] === 1);
}

/** Marks from the most likely down until the sum reaches `target`; false when the candidates do not suffice. */
function keepUntil(target: number, candidates: number[], weights: Float64Array, kept: Uint8Array): boolean {
  candidates.sort((a, b) => weights[b]! - weights[a]! || a - b);
  let sum = 0;
  for (const index of candidates) {
    kept[index] = 1;
    sum += weights[index]!;
    if (sum >= target) {
      return true;
    }
  }
  return false;
}

function indicesAbove(weights: Float64Array, limit: number): number[] {
  const indices: number[] = [];
  for (let i = 0; i < weights.length; i++) {
    if (weights[i]! > limit) {
      indices.push(i);
    }
  }
  return indices;
}
