/** From the messages of the editor's language model API to ours. Pure: knows roles as numbers and parts by their shape. */

import type { ChatMessage } from '../../common/chat';

export interface RequestMessage {
  /** vscode.LanguageModelChatMessageRole: 1 is the user, 2 the assistant; 3, proposed at the time of writing, is the system. */
  readonly role: number;
  readonly content: readonly unknown[];
}

/** Text parts joined; parts of other kinds (tool calls, data) are left out, since the models here are offered without tools. */
export function textOfParts(parts: readonly unknown[]): string {
  return parts
    .map((part) => (typeof part === 'object' && part !== null && typeof (part as { value?: unknown }).value === 'string' ? (part as { value: string }).value : ''))
    .join('');
}

export function toChatMessages(messages: readonly RequestMessage[]): readonly ChatMessage[] {
  return messages
    .map(({ role, content }): ChatMessage => ({ role: role === 2 ? 'assistant' : role === 3 ? 'system' : 'user', content: textOfParts(content) }))
    .filter((message) => message.content !== '');
}
