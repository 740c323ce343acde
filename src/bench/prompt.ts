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

/** A prompt for engines that may take text only. */
export interface TextPrompt {
  readonly ids: readonly number[];
  readonly text: string;
  /** Whether the tokenizer reads the text as exactly these ids. */
  readonly readsBack: boolean;
}

export interface TextCodec {
  /** Without special tokens. */
  tokenize(text: string): Promise<readonly number[]>;
  detokenize(ids: readonly number[]): Promise<string>;
}

/** So many places of the prose are tried: where a cut parts a word or a character, its text is read as other ids. */
const cutsTried = 16;

/**
 * `count` ids of `prose`, repeated as needed, whose text is read as the same ids again; ids as of {@link benchmarkPromptIds} with their text where no cut gives
 * such. Random ids hardly ever survive: their text holds other, longer tokens.
 */
export async function textPrompt(codec: TextCodec, prose: string, count: number, vocabLimit: number): Promise<TextPrompt> {
  const once = await codec.tokenize(prose);
  const repeated = once.length === 0 ? [] : await codec.tokenize(prose.repeat(Math.ceil((count + cutsTried) / once.length)));
  for (let cut = 0; cut < cutsTried && cut + count <= repeated.length; cut += 1) {
    const ids = repeated.slice(cut, cut + count);
    const text = await codec.detokenize(ids);
    const again = await codec.tokenize(text);
    if (ids.every((id, index) => id === again[index] && id < vocabLimit) && again.length === ids.length) {
      return { ids, text, readsBack: true };
    }
  }
  const ids = benchmarkPromptIds(count, vocabLimit);
  return { ids, text: await codec.detokenize(ids), readsBack: false };
}

/** SHA-256 over the ids as little-endian u32, in hex: two reports with the same hash measured the same prompt. */
export function hashPromptIds(ids: readonly number[]): string {
  const bytes = Buffer.alloc(ids.length * 4);
  ids.forEach((id, index) => bytes.writeUInt32LE(id, index * 4));
  return createHash('sha256').update(bytes).digest('hex');
}
