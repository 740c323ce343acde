import { filterRow, indexOfMax, type ScoreRow } from '../scoreRow';

/**
 * Drops tokens less likely than `minP` times the likeliest; 0 keeps all.
 * @see transformers generation/logits_process.py, MinPLogitsWarper; arXiv 2407.01082
 */
export function keepMinP(row: ScoreRow, minP: number): ScoreRow {
  const best = indexOfMax(row.scores);
  if (minP === 0 || best < 0) {
    return row;
  }
  // p < minP · pMax, with both divided by the same sum, is exp(score − max) < minP.
  const max = row.scores[best]!;
  return filterRow(row, (score, index) => index === best || Math.exp(score - max) >= minP);
}
