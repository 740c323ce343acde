/** What can be done to a conversation, as pure functions from one to the next. */

import type { Conversation, ConversationTurn } from '../../common/protocol/webview';

export const untitled = 'New chat';
const longestTitle = 60;

export function newConversation(id: string, nowMs: number): Conversation {
  return { id, title: untitled, turns: [], updatedAtMs: nowMs };
}

/** Adds a turn; the first question becomes the title of a conversation that has none. */
export function appendTurn(conversation: Conversation, turn: ConversationTurn, nowMs: number): Conversation {
  const title = conversation.title === untitled && turn.role === 'user' ? titleOf(turn.text) : conversation.title;
  return { ...conversation, title, turns: [...conversation.turns, turn], updatedAtMs: nowMs };
}

export function replaceTurn(conversation: Conversation, turn: ConversationTurn, nowMs: number): Conversation {
  return { ...conversation, turns: conversation.turns.map((old) => (old.id === turn.id ? turn : old)), updatedAtMs: nowMs };
}

/** Drops the turn and everything after it. */
export function cutBefore(conversation: Conversation, turnId: string, nowMs: number): Conversation {
  const index = conversation.turns.findIndex((turn) => turn.id === turnId);
  return index < 0 ? conversation : { ...conversation, turns: conversation.turns.slice(0, index), updatedAtMs: nowMs };
}

/** Removes one turn; a question takes its answer with it, since an answer alone would puzzle the model. */
export function removeTurn(conversation: Conversation, turnId: string, nowMs: number): Conversation {
  const index = conversation.turns.findIndex((turn) => turn.id === turnId);
  if (index < 0) {
    return conversation;
  }
  const takesAnswer = conversation.turns[index]?.role === 'user' && conversation.turns[index + 1]?.role === 'assistant';
  return { ...conversation, turns: conversation.turns.filter((_, at) => at !== index && !(takesAnswer && at === index + 1)), updatedAtMs: nowMs };
}

export function rename(conversation: Conversation, title: string, nowMs: number): Conversation {
  const trimmed = title.trim().slice(0, 200);
  return trimmed === '' ? conversation : { ...conversation, title: trimmed, updatedAtMs: nowMs };
}

/**
 * Marks answers that were being written when the window went away: they carry neither figures nor an error.
 * Their text so far is kept.
 */
export function markInterrupted(conversation: Conversation): Conversation {
  const turns = conversation.turns.map((turn): ConversationTurn => {
    if (turn.role !== 'assistant' || turn.figures !== undefined || turn.error !== undefined) {
      return turn;
    }
    const message = 'The window was closed or reloaded while this answer was being written. What had arrived is kept; regenerate the answer for the rest.';
    return { ...turn, error: { code: 'answer-interrupted', name: 'GlmError', message, fields: {}, next: [] } };
  });
  return { ...conversation, turns };
}

/** Tokens of the conversation as of its last answer; undefined when that is not known. */
export function contextTokensOf(conversation: Conversation): number | undefined {
  const last = conversation.turns.at(-1);
  return last?.figures === undefined || last.figures.promptTokens === 0 ? undefined : last.figures.promptTokens + last.figures.generatedTokens;
}

function titleOf(text: string): string {
  const line = text.trim().split(/\r?\n/, 1)[0]?.trim() ?? '';
  const characters = [...line];
  return line === '' ? untitled : characters.length > longestTitle ? `${characters.slice(0, longestTitle - 1).join('').trimEnd()}…` : line;
}
