/** Where the prompts of `glm generate` come from: ids, a text, a conversation, or a file with one of these a line. */

import type { Command } from 'commander';
import type { PromptInput } from '../../common/protocol/engine';
import { toChatInput, toTools } from '../chatFile';
import type { CliContext } from '../cliContext';
import { UsageError } from '../command';
import { InputFileError, parseConversationJson, readConversationJson, readInputText } from '../inputFile';
import { collect, jsonObject, tokenIds } from './optionValues';

export interface PromptFlags {
  readonly ids?: readonly (readonly number[])[];
  readonly messages?: string;
  readonly tools?: string;
  readonly templateKwargs?: Readonly<Record<string, unknown>>;
  readonly prompt?: string;
  readonly batch?: string;
}

export interface Prompts {
  readonly inputs: readonly PromptInput[];
  /** Several were asked for, or could have been: the result is a list of rows. */
  readonly areRows: boolean;
}

export function addPromptOptions(command: Command): Command {
  return command
    .option('--ids <ids>', 'token ids: 1,2,3; repeatable, each one a prompt', collect(tokenIds))
    .option('--messages <file>', 'a conversation as JSON; - reads standard input')
    .option('--tools <file>', 'JSON list of tools for --messages')
    .option('--template-kwargs <json>', 'more variables for the chat template', jsonObject)
    .option('--prompt <text>', 'plain text to continue')
    .option('--batch <file>', 'JSON lines, each {"ids": […]}, {"prompt": "…"} or {"messages": […]}');
}

/** @throws {UsageError} unless exactly one source is given. @throws {InputFileError} */
export async function readPrompts(flags: PromptFlags, context: CliContext): Promise<Prompts> {
  const given = [flags.ids, flags.messages, flags.prompt, flags.batch].filter((value) => value !== undefined);
  if (given.length !== 1) {
    throw new UsageError('Give the prompt with exactly one of --ids, --messages, --prompt and --batch.');
  }
  if (flags.ids !== undefined) {
    return { inputs: flags.ids.map((ids) => ({ kind: 'ids', ids })), areRows: flags.ids.length > 1 };
  }
  if (flags.prompt !== undefined) {
    return { inputs: [{ kind: 'text', text: flags.prompt }], areRows: false };
  }
  if (flags.messages !== undefined) {
    const chat = toChatInput(flags.messages, await readConversationJson(context, flags.messages));
    const tools = flags.tools === undefined ? {} : { tools: toTools(flags.tools, await readConversationJson(context, flags.tools)) };
    return { inputs: [{ kind: 'chat', chat: { ...chat, ...tools, templateKwargs: flags.templateKwargs } }], areRows: false };
  }
  const path = flags.batch ?? '-';
  const lines = (await readInputText(context, path)).split('\n').filter((line) => line.trim() !== '');
  if (lines.length === 0) {
    throw new InputFileError(path, 'it holds no prompt.');
  }
  return { inputs: lines.map((line, index) => toPrompt(`${path} line ${index + 1}`, parseConversationJson(`${path} line ${index + 1}`, line), flags)), areRows: true };
}

function toPrompt(place: string, value: unknown, flags: PromptFlags): PromptInput {
  const entry = (typeof value === 'object' && value !== null ? value : {}) as { readonly ids?: unknown; readonly prompt?: unknown; readonly messages?: unknown };
  const ids = Array.isArray(value) && value.every((id) => typeof id === 'number') ? value : entry.ids;
  if (Array.isArray(ids)) {
    if (ids.length === 0 || !ids.every((id) => Number.isInteger(id) && (id as number) >= 0)) {
      throw new InputFileError(place, '"ids" must be a list of token ids.');
    }
    return { kind: 'ids', ids: ids as number[] };
  }
  if (typeof entry.prompt === 'string') {
    return { kind: 'text', text: entry.prompt };
  }
  if (entry.messages !== undefined) {
    return { kind: 'chat', chat: { ...toChatInput(place, value), templateKwargs: flags.templateKwargs } };
  }
  throw new InputFileError(place, 'expected {"ids": […]}, {"prompt": "…"} or {"messages": […]}.');
}
