/** Where the prompts of `glm generate` come from: ids, a text, a conversation, or a file with one of these a line. */

import type { Command } from 'commander';
import { isGlmError, type GlmError } from '../../common/errors';
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
  readonly prompt?: readonly string[];
  readonly batch?: string;
}

/** A prompt, or why a line of a batch is none. */
export type PromptRow = { readonly prompt: PromptInput } | { readonly error: GlmError };

export interface Prompts {
  /** At least one holds a prompt. */
  readonly rows: readonly PromptRow[];
  /** Several were asked for, or could have been: the result is a list of rows. */
  readonly areRows: boolean;
}

export function addPromptOptions(command: Command): Command {
  return command
    .option('--ids <ids>', 'token ids: 1,2,3; repeatable, each one a prompt', collect(tokenIds))
    .option('--messages <file>', 'a conversation as JSON; - reads standard input')
    .option('--tools <file>', 'JSON list of tools for --messages')
    .option('--template-kwargs <json>', 'more variables for the chat template', jsonObject)
    .option('--prompt <text>', 'plain text to continue; repeatable, each one a prompt', collect(String))
    .option('--batch <file>', 'JSON lines, each {"ids": […]}, {"prompt": "…"} or {"messages": […]}');
}

/** @throws {UsageError} unless exactly one source is given. @throws {InputFileError} when a file can't be used; of a batch, when no line of it can. */
export async function readPrompts(flags: PromptFlags, context: CliContext): Promise<Prompts> {
  const given = [flags.ids, flags.messages, flags.prompt, flags.batch].filter((value) => value !== undefined);
  if (given.length !== 1) {
    throw new UsageError('Give the prompt with exactly one of --ids, --messages, --prompt and --batch.');
  }
  if (flags.ids !== undefined) {
    return { rows: flags.ids.map((ids) => ({ prompt: { kind: 'ids', ids } })), areRows: flags.ids.length > 1 };
  }
  if (flags.prompt !== undefined) {
    return { rows: flags.prompt.map((text) => ({ prompt: { kind: 'text', text } })), areRows: flags.prompt.length > 1 };
  }
  if (flags.messages !== undefined) {
    const chat = toChatInput(flags.messages, await readConversationJson(context, flags.messages));
    const tools = flags.tools === undefined ? {} : { tools: toTools(flags.tools, await readConversationJson(context, flags.tools)) };
    return { rows: [{ prompt: { kind: 'chat', chat: { ...chat, ...tools, templateKwargs: flags.templateKwargs } } }], areRows: false };
  }
  return { rows: await readBatch(flags.batch ?? '-', flags, context), areRows: true };
}

/** One row for each line that is not blank. */
async function readBatch(path: string, flags: PromptFlags, context: CliContext): Promise<readonly PromptRow[]> {
  const lines = (await readInputText(context, path)).split('\n');
  const rows = lines.flatMap((line, index): PromptRow[] => {
    if (line.trim() === '') {
      return [];
    }
    const place = `${path === '-' ? 'standard input' : path} line ${index + 1}`;
    try {
      return [{ prompt: toPrompt(place, parseConversationJson(place, line), flags) }];
    } catch (error) {
      if (!isGlmError(error)) {
        throw error;
      }
      return [{ error }];
    }
  });
  if (!rows.some((row) => 'prompt' in row)) {
    throw rows.find((row) => 'error' in row)?.error ?? new InputFileError(path, 'it holds no prompt.');
  }
  return rows;
}

function toPrompt(place: string, value: unknown, flags: PromptFlags): PromptInput {
  const entry = (typeof value === 'object' && value !== null ? value : {}) as { readonly ids?: unknown; readonly prompt?: unknown; readonly messages?: unknown };
  const ids = Array.isArray(value) && value.every((id) => typeof id === 'number') ? value : entry.ids;
  const given = (['ids', 'prompt', 'messages'] as const).filter((name) => (entry[name] ?? undefined) !== undefined);
  if (given.length > 1) {
    throw new InputFileError(place, `it holds ${given.map((name) => `"${name}"`).join(' and ')}, of which only one can be the prompt. Remove the others, or make them lines of their own.`);
  }
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
