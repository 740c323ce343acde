import type { ScoreRow } from '../scoreRow';

/**
 * Makes tokens that have already been seen less likely (`penalty` > 1): a positive score is divided by it, a negative one multiplied.
 *
 * @param seen  Ids of prompt and answer so far; each counts once.
 * @see transformers generation/logits_process.py, RepetitionPenaltyLogitsProcessor; arXiv 1909.05858
 */
export function applyRepetitionPenalty(row: ScoreRow, penalty: number, seen: ReadonlySet<number>): ScoreRow {
  if (penalty === 1) {
    return row;
  }
  const { ids, scores } = row;
  const penalize = (index: number): void => {
    const score = scores[index]!;
    scores[index] = score < 0 ? score * penalty : score / penalty;
  };
  if (ids === undefined) {
    for (const id of seen) {
      if (id < scores.length) {
        penalize(id);
      }
    }
  } else {
    ids.forEach((id, index) => {
      if (seen.has(id)) {
        penalize(index);
      }
    });
  }
  return row;
}
