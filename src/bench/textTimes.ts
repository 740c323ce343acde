/** What tokenizing and the chat template cost, measured apart from every speed. */

import type { ChatInput } from '../common/chat';
import { summarize } from './statistics';
import type { TextTimes } from './report/schema';

export interface TextEngine {
  tokenize(text: string, mode: 'no-special'): Promise<readonly number[]>;
  renderChat(chat: ChatInput): Promise<unknown>;
  readonly hasChatTemplate: boolean;
}

const warmupRuns = 1;
const countedRuns = 5;

/** @param nowMs  A monotonic clock with fractions of a millisecond. */
export async function measureTextTimes(engine: TextEngine, label: string, text: string, nowMs: () => number): Promise<TextTimes> {
  const times = async (work: () => Promise<unknown>): Promise<TextTimes['tokenizeMs']> => {
    const samples: number[] = [];
    for (let run = 0; run < warmupRuns + countedRuns; run += 1) {
      const startedMs = nowMs();
      await work();
      if (run >= warmupRuns) {
        samples.push(nowMs() - startedMs);
      }
    }
    return summarize(samples);
  };
  const tokens = (await engine.tokenize(text, 'no-special')).length;
  const tokenizeMs = await times(() => engine.tokenize(text, 'no-special'));
  return { label, tokens, tokenizeMs, ...(engine.hasChatTemplate ? { renderChatMs: await times(() => engine.renderChat({ messages: [{ role: 'user', content: text }] })) } : {}) };
}
