/**
 * Turns GLM's original `tokenizer.model` (tiktoken text form) into the JSON that the tokenizers library reads.
 *
 * A line is `base64(token bytes) rank`. Merges are not in the file; as in transformers' converter, every way to cut a token into two known
 * tokens is one, in order of the merged token's rank, then of the parts'.
 * @see transformers convert_slow_tokenizer.py, TikTokenConverter
 */

import { spellBytes } from './byteLevel';
import type { AddedTokenJson, TokenizerJson } from './tokenizerJson';
import { TokenizerError } from './tokenizerError';

/** The split expression of all GLM-4 tokenizers, the same in their tokenizer.json. */
export const glmSplitPattern = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

/** What the original tokenizer puts before every plain text. */
const prefixTokens = ['[gMASK]', '<sop>'] as const;

/** @throws {TokenizerError} `tokenizer-broken` naming the line. */
export function tokenizerJsonFromTiktoken(text: string, addedTokens: readonly AddedTokenJson[]): TokenizerJson {
  const vocab = readRanks(text);
  const idOf = new Map(addedTokens.map((token) => [token.content, token.id]));
  const prefix = prefixTokens.filter((token) => idOf.has(token));
  const item = (id: string) => ({ SpecialToken: { id, type_id: 0 } });
  return {
    added_tokens: addedTokens,
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: glmSplitPattern }, behavior: 'Isolated', invert: false },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
      ],
    },
    post_processor:
      prefix.length === 0
        ? null
        : {
            type: 'TemplateProcessing',
            single: [...prefix.map(item), { Sequence: { id: 'A', type_id: 0 } }],
            pair: [...prefix.map(item), { Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 0 } }],
            special_tokens: Object.fromEntries(prefix.map((token) => [token, { id: token, ids: [idOf.get(token)], tokens: [token] }])),
          },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', vocab: Object.fromEntries(vocab), merges: mergesOf(vocab) },
  };
}

function readRanks(text: string): Map<string, number> {
  const vocab = new Map<string, number>();
  const seen = new Set<number>();
  text.split('\n').forEach((line, i) => {
    if (line.trim() === '') {
      return;
    }
    const match = /^([A-Za-z0-9+/]+={0,2}) (\d{1,9})\r?$/.exec(line);
    const rank = Number(match?.[2]);
    if (!match || seen.has(rank)) {
      throw new TokenizerError('broken', `Line ${i + 1} of tokenizer.model ${match ? `repeats the rank ${rank}` : 'is not "base64 rank"'}. The file is damaged, or it is a SentencePiece model, which no GLM-4 model uses. Download tokenizer.model again.`, { fields: { line: i + 1 } });
    }
    seen.add(rank);
    vocab.set(spellBytes(atob(match[1]!)), rank);
  });
  if (vocab.size === 0) {
    throw new TokenizerError('broken', 'tokenizer.model is empty. Download it again.');
  }
  return vocab;
}

function mergesOf(vocab: ReadonlyMap<string, number>): readonly (readonly [string, string])[] {
  const merges: (readonly [string, string])[] = [];
  const byRank = [...vocab].sort((a, b) => a[1] - b[1]);
  for (const [token] of byRank) {
    const first = merges.length;
    for (let i = 1; i < token.length; i++) {
      const left = token.slice(0, i);
      if (vocab.has(left)) {
        const right = token.slice(i);
        if (vocab.has(right)) {
          merges.push([left, right]);
        }
      }
    }
    if (merges.length > first + 1) {
      const cuts = merges.splice(first);
      merges.push(...cuts.sort((a, b) => vocab.get(a[0])! - vocab.get(b[0])! || vocab.get(a[1])! - vocab.get(b[1])!));
    }
  }
  return merges;
}
