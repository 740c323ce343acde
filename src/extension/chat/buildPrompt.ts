/** From a conversation to what the engine is asked: messages for the chat template, or plain text for a base checkpoint. */

import { answerForHistory, type ChatMessage } from '../../common/chat';
import type { PromptInput } from '../../common/protocol/engine';
import type { Attachment, ChatSettings, ConversationTurn } from '../../common/protocol/webview';

/**
 * Answers without text (failed, or stopped before the first character) are left out; a think part never goes back to the model.
 * In completion mode the turns' texts follow each other as they are, so that the model continues what stands there.
 */
export function buildPrompt(turns: readonly ConversationTurn[], settings: Pick<ChatSettings, 'systemPrompt' | 'mode'>): PromptInput {
  if (settings.mode === 'completion') {
    return { kind: 'text', text: turns.map((turn) => withAttachments(turn)).join('') };
  }
  const messages: ChatMessage[] = settings.systemPrompt.trim() === '' ? [] : [{ role: 'system', content: settings.systemPrompt }];
  for (const turn of turns) {
    if (turn.role === 'user' || turn.text !== '') {
      messages.push({ role: turn.role, content: turn.role === 'assistant' ? answerForHistory(turn.text) : withAttachments(turn) });
    }
  }
  return { kind: 'chat', chat: { messages, addGenerationPrompt: true } };
}

function withAttachments(turn: ConversationTurn): string {
  const attachments = turn.attachments ?? [];
  return attachments.length === 0 ? turn.text : `${attachments.map(fenced).join('\n\n')}\n\n${turn.text}`;
}

/** The file as a code block whose fence is longer than any run of backticks inside. */
function fenced(attachment: Attachment): string {
  const longestRun = Math.max(0, ...[...attachment.text.matchAll(/`+/g)].map((match) => match[0].length));
  const fence = '`'.repeat(Math.max(3, longestRun + 1));
  return `${attachment.name}:\n${fence}${attachment.languageId ?? ''}\n${attachment.text}${attachment.text.endsWith('\n') ? '' : '\n'}${fence}`;
}
