/** Checks the JSON of a stored conversation; a file can be from an older version, cut off, or edited. */

import type { SerializedError } from '../../common/errors';
import type { AnswerFigures, Attachment, Conversation, ConversationTurn } from '../../common/protocol/webview';

/** The conversation, or undefined when the text is not one. Unknown extra fields are dropped. */
export function parseConversation(text: string): Conversation | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const conversation = isRecord(value) && value.version === 1 ? value.conversation : undefined;
  if (!isRecord(conversation) || typeof conversation.id !== 'string' || typeof conversation.title !== 'string' || typeof conversation.updatedAtMs !== 'number' || !Array.isArray(conversation.turns)) {
    return undefined;
  }
  const turns = conversation.turns.map(parseTurn);
  return turns.every((turn) => turn !== undefined) ? { id: conversation.id, title: conversation.title, updatedAtMs: conversation.updatedAtMs, turns } : undefined;
}

function parseTurn(value: unknown): ConversationTurn | undefined {
  if (!isRecord(value) || typeof value.id !== 'string' || (value.role !== 'user' && value.role !== 'assistant') || typeof value.text !== 'string') {
    return undefined;
  }
  return {
    id: value.id,
    role: value.role,
    text: value.text,
    ...(typeof value.thinking === 'string' ? { thinking: value.thinking } : {}),
    ...(typeof value.modelName === 'string' ? { modelName: value.modelName } : {}),
    ...(Array.isArray(value.attachments) ? { attachments: value.attachments.filter(isAttachment) } : {}),
    ...(isFigures(value.figures) ? { figures: value.figures } : {}),
    ...(isError(value.error) ? { error: value.error } : {}),
  };
}

function isAttachment(value: unknown): value is Attachment {
  return isRecord(value) && typeof value.name === 'string' && typeof value.text === 'string' && (value.languageId === undefined || typeof value.languageId === 'string');
}

function isFigures(value: unknown): value is AnswerFigures {
  return isRecord(value) && typeof value.promptTokens === 'number' && typeof value.reusedTokens === 'number' && typeof value.generatedTokens === 'number' && typeof value.stopReason === 'string';
}

function isError(value: unknown): value is SerializedError {
  return isRecord(value) && typeof value.code === 'string' && typeof value.message === 'string' && Array.isArray(value.next) && isRecord(value.fields);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
