/** Prompts of exact length for benchmarks: the same ids for the same arguments on every machine. */

import { createHash } from 'node:crypto';

/**
 * `count` token ids below `vocabLimit`, spread over the vocabulary by a multiplicative sequence.
 * Random-looking ids cost what real text costs, and their number is exact whatever the tokenizer.
 *
 * @param vocabLimit  Ordinary tokens only: the lowest special token's id.
 * @throws {RangeError} unless both are positive whole numbers.
 */
export function benchmarkPromptIds(count: number, vocabLimit: number): readonly number[] {
  if (!Number.isInteger(count) || !Number.isInteger(vocabLimit) || count < 1 || vocabLimit < 1) {
    throw new RangeError(`Expected a positive token count and vocabulary limit, got ${count} and ${vocabLimit}.`);
  }
  const ids: number[] = [];
  let state = 12345;
  for (let index = 0; index < count; index += 1) {
    // Numerical Recipes' 32-bit linear congruential generator; its high bits choose the id.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    ids.push(Math.floor((state / 4294967296) * vocabLimit));
  }
  return ids;
}

/** SHA-256 over the ids as little-endian u32, in hex: two reports with the same hash measured the same prompt. */
export function hashPromptIds(ids: readonly number[]): string {
  const bytes = Buffer.alloc(ids.length * 4);
  ids.forEach((id, index) => bytes.writeUInt32LE(id, index * 4));
  return createHash('sha256').update(bytes).digest('hex');
}
