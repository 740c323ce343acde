/** Bodies of POST /v1/chat/completions and /v1/completions → what the engine is asked. What is not supported is refused, never ignored. */

import type { ChatMessage, ChatRole, ToolDefinition } from '../common/chat';
import type { PromptInput } from '../common/protocol/engine';
import type { GenerationOptions } from '../common/sampling';
import { ApiError, badField } from './apiError';
import { countField, flagField, isObject, numberField, textsField, type Body } from './requestFields';

export interface CompletionRequest {
  readonly prompts: readonly PromptInput[];
  /** Answers to each prompt. */
  readonly numChoices: number;
  readonly options: GenerationOptions;
  readonly streams: boolean;
  /** A last event with the usage, as `stream_options.include_usage` asks. */
  readonly includesUsage: boolean;
}

/** @param contextTokens  The limit of new tokens when none is asked for: the answer then ends by itself or with the context. */
export function readChatRequest(body: Body, contextTokens: number): CompletionRequest {
  refuse(body, ['logprobs', 'top_logprobs', 'functions', 'audio', 'logit_bias']);
  if (isObject(body.response_format) && body.response_format.type !== 'text') {
    throw new ApiError(400, 'unsupported_parameter', '"response_format" other than text is not supported.', 'response_format');
  }
  const { messages, tools } = body;
  if (!Array.isArray(messages) || messages.length === 0) {
    throw badField('messages', 'a list of at least one message');
  }
  if (tools !== undefined && tools !== null && !(Array.isArray(tools) && tools.every(isObject))) {
    throw badField('tools', 'a list of tools');
  }
  const templateKwargs = body.chat_template_kwargs ?? undefined;
  if (templateKwargs !== undefined && !isObject(templateKwargs)) {
    throw badField('chat_template_kwargs', 'an object');
  }
  const chat = {
    messages: messages.map(toMessage),
    ...(Array.isArray(tools) && tools.length > 0 && body.tool_choice !== 'none' ? { tools: tools as readonly ToolDefinition[] } : {}),
    ...(templateKwargs === undefined ? {} : { templateKwargs }),
  };
  const maxNewTokens = countField(body, 'max_completion_tokens', 1, 2 ** 24) ?? countField(body, 'max_tokens', 1, 2 ** 24) ?? contextTokens;
  return { prompts: [{ kind: 'chat', chat }], ...readCommon(body, maxNewTokens) };
}

export function readTextRequest(body: Body): CompletionRequest {
  refuse(body, ['logprobs', 'suffix', 'logit_bias']);
  if (flagField(body, 'echo') || (countField(body, 'best_of', 1, 1) ?? 1) !== 1) {
    throw new ApiError(400, 'unsupported_parameter', '"echo" and "best_of" are not supported.');
  }
  // 16 is the API's own default.
  return { prompts: toPrompts(body.prompt), ...readCommon(body, countField(body, 'max_tokens', 1, 2 ** 24) ?? 16) };
}

function readCommon(body: Body, maxNewTokens: number): Omit<CompletionRequest, 'prompts'> {
  for (const penalty of ['frequency_penalty', 'presence_penalty']) {
    if ((numberField(body, penalty, -2, 2) ?? 0) !== 0) {
      throw new ApiError(400, 'unsupported_parameter', `"${penalty}" is not supported; use "repetition_penalty".`, penalty);
    }
  }
  const temperature = numberField(body, 'temperature', 0, 100) ?? 1;
  return {
    numChoices: countField(body, 'n', 1, 16) ?? 1,
    options: {
      doSample: temperature > 0,
      temperature: temperature === 0 ? 1 : temperature,
      topP: numberField(body, 'top_p', 0, 1) ?? 1,
      topK: countField(body, 'top_k', 0, 2 ** 24) ?? 0,
      minP: numberField(body, 'min_p', 0, 1) ?? 0,
      repetitionPenalty: numberField(body, 'repetition_penalty', 0.01, 100) ?? 1,
      seed: countField(body, 'seed', 0, 2 ** 32 - 1),
      maxNewTokens,
      minNewTokens: countField(body, 'min_tokens', 0, 2 ** 24) ?? 0,
      stopStrings: textsField(body, 'stop', 16),
      ignoreEos: flagField(body, 'ignore_eos'),
    },
    streams: flagField(body, 'stream'),
    includesUsage: isObject(body.stream_options) && flagField(body.stream_options, 'include_usage'),
  };
}

const roles: Readonly<Record<string, ChatRole>> = { system: 'system', developer: 'system', user: 'user', assistant: 'assistant', tool: 'tool', observation: 'observation' };

function toMessage(value: unknown, index: number): ChatMessage {
  const name = `messages[${index}]`;
  const role = isObject(value) && typeof value.role === 'string' && Object.hasOwn(roles, value.role) ? roles[value.role] : undefined;
  if (!isObject(value) || role === undefined) {
    throw badField(`${name}.role`, `one of ${Object.keys(roles).join(', ')}`);
  }
  // Other keys, such as tool_calls, are for the template.
  return { ...(value as object), role, content: toText(value.content, `${name}.content`) };
}

/** A text, or a list of text parts, which are joined. */
function toText(content: unknown, name: string): string {
  if (typeof content === 'string' || content === null || content === undefined) {
    return content ?? '';
  }
  if (Array.isArray(content) && content.every((part) => isObject(part) && part.type === 'text' && typeof part.text === 'string')) {
    return (content as readonly { readonly text: string }[]).map((part) => part.text).join('\n');
  }
  throw badField(name, 'a text or a list of text parts; images and audio are not supported');
}

function toPrompts(prompt: unknown): readonly PromptInput[] {
  const isIds = (value: unknown): value is readonly number[] => Array.isArray(value) && value.length > 0 && value.every((id) => Number.isInteger(id));
  const list: readonly unknown[] = isIds(prompt) || !Array.isArray(prompt) ? [prompt] : prompt;
  if (list.length === 0 || list.length > 256) {
    throw badField('prompt', 'at least one and at most 256 prompts');
  }
  return list.map((entry): PromptInput => {
    if (typeof entry === 'string') {
      return { kind: 'text', text: entry };
    }
    if (isIds(entry)) {
      return { kind: 'ids', ids: entry };
    }
    throw badField('prompt', 'a text, a list of token ids, or a list of these');
  });
}

/** Fields whose being ignored would change what the client gets. */
function refuse(body: Body, names: readonly string[]): void {
  const found = names.find((name) => {
    const value = body[name] ?? undefined;
    return value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0) && !(isObject(value) && Object.keys(value).length === 0) && value !== 0;
  });
  if (found !== undefined) {
    throw new ApiError(400, 'unsupported_parameter', `"${found}" is not supported.`, found);
  }
}
