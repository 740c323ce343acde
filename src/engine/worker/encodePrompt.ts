/** A prompt in any form → ids, in this thread or, when it is long, in one of its own. */

import type { PromptInput } from '../../common/protocol/engine';
import type { GlmTokenizer } from '../../tokenizer/glmTokenizer';
import { BadTokenIdError, PromptTooLongError } from './promptErrors';
import { jobTexts, longTextUnits, runTextJob, runTextThread, type TextJob, type TokenizedText } from './textThread';

/** Where the tokenizer came from, for a thread that has to read it again. */
export interface TextSource {
  readonly tokenizer: GlmTokenizer;
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The bundle a thread runs. */
  readonly bundlePath: string;
}

/**
 * @param contextTokens  Texts that cannot fit are refused without being tokenized.
 * @throws {PromptTooLongError} @throws {CancelledError}
 */
export async function tokenizeText(source: TextSource, job: TextJob, contextTokens: number | undefined, signal?: AbortSignal): Promise<TokenizedText> {
  const texts = jobTexts(job);
  if (texts.reduce((sum, text) => sum + text.length, 0) < longTextUnits) {
    return runTextJob(source.tokenizer, job);
  }
  const atLeastTokens = texts.reduce((sum, text) => sum + source.tokenizer.minTokens(text), 0);
  if (contextTokens !== undefined && atLeastTokens >= contextTokens) {
    throw new PromptTooLongError(atLeastTokens, contextTokens, true);
  }
  return runTextThread(source.bundlePath, { source: source.folder, env: source.env, job }, signal);
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
