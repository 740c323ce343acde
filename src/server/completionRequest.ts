/** Bodies of POST /v1/chat/completions and /v1/completions → what the engine is asked. What is not supported is refused, never ignored. */

import type { ChatMessage, ChatRole, ToolDefinition } from '../common/chat';
import type { PromptInput } from '../common/protocol/engine';
import type { GenerationOptions, SamplingDefaults } from '../common/sampling';
import { badField } from './apiError';
import { countField, flagField, isObject, numberField, textsField, type Body } from './requestFields';
import { assertFieldsSupported, unsupportedField } from './supportedFields';

export interface CompletionRequest {
  readonly prompts: readonly PromptInput[];
  /** Answers to each prompt. */
  readonly numChoices: number;
  readonly options: GenerationOptions;
  readonly streams: boolean;
  /** A last event with the usage, as `stream_options.include_usage` asks. */
  readonly includesUsage: boolean;
}

/** What of the loaded model a request leans on. */
export interface RequestDefaults {
  /** The limit of new tokens when none is asked for: the answer then ends by itself or with the context. */
  readonly contextTokens: number;
  /** Of the checkpoint's generation_config.json: what its makers recommend holds where the request says nothing. */
  readonly sampling?: SamplingDefaults;
}

export function readChatRequest(body: Body, defaults: RequestDefaults): CompletionRequest {
  assertFieldsSupported(body, 'chat');
  assertTextAnswer(body);
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
    ...(mayCallTools(body) && Array.isArray(tools) && tools.length > 0 ? { tools: tools as readonly ToolDefinition[] } : {}),
    ...(templateKwargs === undefined ? {} : { templateKwargs }),
  };
  const maxNewTokens = countField(body, 'max_completion_tokens', 1, 2 ** 24) ?? countField(body, 'max_tokens', 1, 2 ** 24) ?? defaults.contextTokens;
  return { prompts: [{ kind: 'chat', chat }], ...readCommon(body, maxNewTokens, defaults) };
}

export function readTextRequest(body: Body, defaults: RequestDefaults): CompletionRequest {
  assertFieldsSupported(body, 'text');
  if ((countField(body, 'best_of', 1, 2 ** 24) ?? 1) !== 1) {
    throw unsupportedField('best_of', '"best_of" above 1');
  }
  // 16 is the API's own default.
  return { prompts: toPrompts(body.prompt), ...readCommon(body, countField(body, 'max_tokens', 1, 2 ** 24) ?? 16, defaults) };
}

function readCommon(body: Body, maxNewTokens: number, { sampling = {} }: RequestDefaults): Omit<CompletionRequest, 'prompts'> {
  for (const penalty of ['frequency_penalty', 'presence_penalty']) {
    if ((numberField(body, penalty, -2, 2) ?? 0) !== 0) {
      throw unsupportedField(penalty, undefined, '; use "repetition_penalty"');
    }
  }
  const temperature = numberField(body, 'temperature', 0, 100) ?? sampling.temperature ?? 1;
  const minNewTokens = countField(body, 'min_tokens', 0, 2 ** 24) ?? 0;
  if (minNewTokens > maxNewTokens) {
    throw badField('min_tokens', `at most the limit of new tokens, ${maxNewTokens}`);
  }
  return {
    numChoices: countField(body, 'n', 1, 16) ?? 1,
    options: {
      doSample: temperature > 0,
      temperature: temperature === 0 ? 1 : temperature,
      topP: numberField(body, 'top_p', 0, 1) ?? sampling.topP ?? 1,
      topK: countField(body, 'top_k', 0, 2 ** 24) ?? sampling.topK ?? 0,
      minP: numberField(body, 'min_p', 0, 1) ?? sampling.minP ?? 0,
      repetitionPenalty: numberField(body, 'repetition_penalty', 0.01, 100) ?? sampling.repetitionPenalty ?? 1,
      seed: countField(body, 'seed', 0, 2 ** 32 - 1),
      maxNewTokens,
      minNewTokens,
      stopStrings: textsField(body, 'stop', 16),
      ignoreEos: flagField(body, 'ignore_eos'),
    },
    ...readStreaming(body),
  };
}

function readStreaming(body: Body): Pick<CompletionRequest, 'streams' | 'includesUsage'> {
  const streams = flagField(body, 'stream');
  const options = body.stream_options ?? undefined;
  if (options === undefined) {
    return { streams, includesUsage: false };
  }
  if (!streams || !isObject(options)) {
    throw badField('stream_options', streams ? 'an object' : 'left out where "stream" is not true');
  }
  // Padding against eavesdroppers has no meaning on this machine.
  const unknown = Object.keys(options).find((name) => name !== 'include_usage' && name !== 'include_obfuscation' && (options[name] ?? false) !== false);
  if (unknown !== undefined) {
    throw unsupportedField('stream_options', `"stream_options.${unknown}"`);
  }
  return { streams, includesUsage: flagField(options, 'include_usage') };
}

function assertTextAnswer(body: Body): void {
  const format = body.response_format ?? undefined;
  if (format !== undefined && !isObject(format)) {
    throw badField('response_format', 'an object such as {"type": "text"}');
  }
  if (format !== undefined && format.type !== 'text') {
    throw unsupportedField('response_format', '"response_format" other than text');
  }
  const modalities = body.modalities ?? ['text'];
  if (!Array.isArray(modalities) || modalities.some((modality) => modality !== 'text')) {
    throw unsupportedField('modalities', '"modalities" other than ["text"]');
  }
}

/** False where the tools are to be kept from the model. Nothing here can make it call one. */
function mayCallTools(body: Body): boolean {
  const choice = body.tool_choice ?? 'auto';
  if (choice === 'required' || isObject(choice)) {
    throw unsupportedField('tool_choice', '"tool_choice" that makes the model call a tool', '; use "auto" or "none"');
  }
  if (choice !== 'auto' && choice !== 'none') {
    throw badField('tool_choice', '"auto" or "none"');
  }
  return choice === 'auto';
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
