/** A prompt in any form → ids, in this thread or, when it is long, in one of its own. */

import type { PromptInput } from '../../common/protocol/engine';
import type { GlmTokenizer } from '../../tokenizer/glmTokenizer';
import { BadTokenIdError } from './promptErrors';
import { jobUnits, longTextUnits, runTextJob, runTextThread, type TextJob, type TokenizedText } from './textThread';

/** Where the tokenizer came from, for a thread that has to read it again. */
export interface TextSource {
  readonly tokenizer: GlmTokenizer;
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The bundle a thread runs. */
  readonly bundlePath: string;
}

/** @param limitTokens  Texts that cannot fit are refused before they are tokenized. */
export async function tokenizeText(source: TextSource, job: TextJob, limitTokens?: number, signal?: AbortSignal): Promise<TokenizedText> {
  return jobUnits(job) < longTextUnits ? runTextJob(source.tokenizer, job) : runTextThread(source.bundlePath, { source: source.folder, env: source.env, job, limitTokens }, signal);
}

/**
 * A text to continue gets the prefix that the tokenizer adds by itself, but special-token literals in it stay text:
 * whoever needs markers gives a chat or ids. Ids are checked by the generator.
 *
 * @throws {PromptTooLongError} for a text so long that it cannot fit; the exact check is the generator's.
 */
export async function encodePrompt(source: TextSource, prompt: PromptInput, contextTokens: number, signal?: AbortSignal): Promise<ArrayLike<number>> {
  switch (prompt.kind) {
    case 'ids':
      return prompt.ids;
    case 'chat':
      return (await tokenizeText(source, { kind: 'render', chat: prompt.chat }, contextTokens, signal)).ids;
    case 'text': {
      const prefix = source.tokenizer.encode('', 'special');
      const { ids } = await tokenizeText(source, { kind: 'encode', text: prompt.text, mode: 'plain' }, contextTokens, signal);
      return [...prefix, ...ids];
    }
  }
}

export function assertIds(ids: readonly number[], vocabSize: number): void {
  const bad = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (bad !== undefined) {
    throw new BadTokenIdError(bad, vocabSize);
  }
}
