import { describe, expect, it } from 'vitest';
import type { Conversation, ConversationTurn } from '../../../../src/common/protocol/webview';
import { appendTurn, contextTokensOf, cutBefore, markInterrupted, newConversation, removeTurn, rename } from '../../../../src/extension/chat/conversationEdits';

const turn = (id: string, role: 'user' | 'assistant', extra: Partial<ConversationTurn> = {}): ConversationTurn => ({ id, role, text: id, ...extra });
const figures = { promptTokens: 10, reusedTokens: 0, generatedTokens: 5, stopReason: 'eos' } as const;
const talk: Conversation = { id: 'c', title: 'T', updatedAtMs: 1, turns: [turn('q1', 'user'), turn('a1', 'assistant', { figures }), turn('q2', 'user'), turn('a2', 'assistant', { figures })] };
const ids = (conversation: Conversation): string[] => conversation.turns.map((item) => item.id);

describe('appendTurn', () => {
  it('titles a new conversation with the first line of its first question', () => {
    const titled = appendTurn(newConversation('c', 1), turn('q', 'user', { text: '\n  What is\nthis?' }), 2);
    expect(titled.title).toBe('What is');
    expect(titled.updatedAtMs).toBe(2);
    expect(appendTurn(titled, turn('q2', 'user'), 3).title).toBe('What is');
  });

  it('cuts a long title between whole characters', () => {
    const { title } = appendTurn(newConversation('c', 1), turn('q', 'user', { text: '😀'.repeat(100) }), 2);
    expect([...title]).toHaveLength(60);
    expect(title.endsWith('😀…')).toBe(true);
  });
});

describe('removeTurn', () => {
  it('takes the answer along with its question, but not the question with its answer', () => {
    expect(ids(removeTurn(talk, 'q1', 2))).toEqual(['q2', 'a2']);
    expect(ids(removeTurn(talk, 'a1', 2))).toEqual(['q1', 'q2', 'a2']);
    expect(removeTurn(talk, 'none', 2)).toBe(talk);
  });
});

describe('cutBefore', () => {
  it('drops the turn and what follows', () => {
    expect(ids(cutBefore(talk, 'q2', 2))).toEqual(['q1', 'a1']);
  });
});

describe('markInterrupted', () => {
  it('marks only answers that neither ended nor failed, and keeps their text', () => {
    const open = { ...talk, turns: [...talk.turns, turn('q3', 'user'), turn('a3', 'assistant', { text: 'half' })] };
    const marked = markInterrupted(open);
    expect(marked.turns.at(-1)).toMatchObject({ text: 'half', error: { code: 'answer-interrupted' } });
    expect(marked.turns.slice(0, -1)).toEqual(open.turns.slice(0, -1));
  });
});

describe('contextTokensOf', () => {
  it('knows the tokens after an answer and admits not knowing them otherwise', () => {
    expect(contextTokensOf(talk)).toBe(15);
    expect(contextTokensOf(removeTurn(talk, 'a2', 2))).toBeUndefined();
  });
});

describe('rename', () => {
  it('ignores a blank title', () => {
    expect(rename(talk, '  ', 2).title).toBe('T');
    expect(rename(talk, ' New ', 2).title).toBe('New');
  });
});
