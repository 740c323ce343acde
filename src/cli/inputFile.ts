/** Files that a user names on the command line. `-` is stdin. */

import { readFile } from 'node:fs/promises';
import { GlmError } from '../common/errors';
import { parseJsonKeepingNumbers } from '../common/pythonNumbers';
import type { CliContext } from './cliContext';

/** Cause: a file named on the command line cannot be read or does not hold what it should. Handled by: the command line's message. */
export class InputFileError extends GlmError {
  constructor(path: string, why: string, cause?: unknown) {
    super('input-file', `${path === '-' ? 'Standard input' : path} can't be used: ${why}`, { fields: { path }, cause });
  }
}

export async function readInputText(context: CliContext, path: string): Promise<string> {
  try {
    if (path !== '-') {
      return await readFile(path, 'utf8');
    }
    const chunks: Buffer[] = [];
    for await (const chunk of context.stdin) {
      chunks.push(Buffer.from(chunk));
    }
    return Buffer.concat(chunks).toString('utf8');
  } catch (error) {
    throw new InputFileError(path, whyUnreadable(error), error);
  }
}

export async function readInputJson(context: CliContext, path: string): Promise<unknown> {
  return parseInputJson(path, await readInputText(context, path));
}

/** As {@link readInputJson}, for messages and tools: numbers keep the spelling that a template would give them in Python. */
export async function readConversationJson(context: CliContext, path: string): Promise<unknown> {
  return parseConversationJson(path, await readInputText(context, path));
}

export function parseConversationJson(path: string, text: string): unknown {
  return parseInputJson(path, text, parseJsonKeepingNumbers);
}

function parseInputJson(path: string, text: string, parse: (text: string) => unknown = JSON.parse): unknown {
  try {
    // Editors and shells on Windows begin a file with a byte order mark.
    return parse(text.replace(/^\ufeff/, ''));
  } catch (error) {
    throw new InputFileError(path, `it is not JSON (${(error as Error).message}).`, error);
  }
}

/** A file system's error in words, with what to do. */
export function whyUnreadable(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'there is no such file. Check the path.';
    case 'EISDIR':
      return 'it is a folder. Name the file in it.';
    case 'EACCES':
    case 'EPERM':
      return 'it may not be read. Check its permissions.';
    default:
      return `reading it failed (${message}).`;
  }
}
