import type { ScoreRow } from '../scoreRow';

/**
 * Divides all scores: below 1 the likely become likelier, above 1 the choice becomes more even.
 * @see transformers generation/logits_process.py, TemperatureLogitsWarper
 */
export function applyTemperature(row: ScoreRow, temperature: number): ScoreRow {
  if (temperature !== 1) {
    const { scores } = row;
    for (let i = 0; i < scores.length; i++) {
      scores[i] = scores[i]! / temperature;
    }
  }
  return row;
}
