import type { TextDecoder } from './generation';
import { createStopMatcher } from './stopMatcher';

/** Ids in, answer text out: whole characters only, cut before a stop string. */
export interface AnswerText {
  push(id: number): { readonly text: string; readonly stopped: boolean };
  /** The rest, when the answer ended without a stop string. */
  end(): string;
}

export function createAnswerText(tokenizer: TextDecoder, stopStrings: readonly string[]): AnswerText {
  const decoder = tokenizer.streamDecoder({ skipSpecial: true });
  const matcher = createStopMatcher(stopStrings);
  return {
    push: (id) => matcher.push(decoder.push(id)),
    end: () => matcher.push(decoder.end()).text + matcher.end(),
  };
}
