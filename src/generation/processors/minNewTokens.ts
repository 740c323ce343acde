import type { ScoreRow } from '../scoreRow';

/**
 * Rules out the stop tokens until enough tokens have been generated.
 * @see transformers generation/logits_process.py, MinNewTokensLengthLogitsProcessor
 */
export function maskEosBefore(row: ScoreRow, minNewTokens: number, generatedTokens: number, eosIds: readonly number[]): ScoreRow {
  if (generatedTokens >= minNewTokens) {
    return row;
  }
  for (const id of eosIds) {
    const index = row.ids === undefined ? id : row.ids.indexOf(id);
    if (index >= 0 && index < row.scores.length) {
      row.scores[index] = -Infinity;
    }
  }
  return row;
}
