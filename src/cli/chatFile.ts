/** Conversations in files: a list of messages, or an object with `messages` and, if wanted, `tools`. */

import type { ChatInput, ChatMessage, ToolDefinition } from '../common/chat';
import { InputFileError } from './inputFile';

/** Checks what was parsed from a messages file. @throws {InputFileError} */
export function toChatInput(path: string, value: unknown): ChatInput {
  const object = isObject(value) ? value : undefined;
  const messages = Array.isArray(value) ? (value as unknown[]) : object?.messages;
  if (!Array.isArray(messages) || messages.length === 0) {
    throw new InputFileError(path, 'expected a list of messages, [{"role": "user", "content": "…"}], or an object with "messages".');
  }
  return {
    messages: messages.map((message, index) => toMessage(path, message, index)),
    ...(object?.tools === undefined ? {} : { tools: toTools(path, object.tools) }),
  };
}

export function toTools(path: string, value: unknown): readonly ToolDefinition[] {
  if (!Array.isArray(value) || !value.every(isObject)) {
    throw new InputFileError(path, 'expected a list of tools in the OpenAI form, [{"type": "function", "function": {…}}].');
  }
  return value as readonly ToolDefinition[];
}

function toMessage(path: string, value: unknown, index: number): ChatMessage {
  const { role, content } = isObject(value) ? value : {};
  // Which roles there are is the template's business.
  if (typeof role !== 'string' || role === '') {
    throw new InputFileError(path, `message ${index} has no "role", such as system, user or assistant.`);
  }
  if (typeof content !== 'string' && content !== null && content !== undefined && !(Array.isArray(content) && content.every(isObject))) {
    throw new InputFileError(path, `the content of message ${index} is neither a text nor a list of parts.`);
  }
  // A list of parts ([{"type": "text", "text": "…"}]) and other keys, such as metadata and tool_calls, are for the template.
  return value as ChatMessage;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
