/** Files that a user names on the command line. `-` is stdin. */

import { readFile } from 'node:fs/promises';
import { GlmError } from '../common/errors';
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
    throw new InputFileError(path, (error as Error).message, error);
  }
}

export async function readInputJson(context: CliContext, path: string): Promise<unknown> {
  return parseInputJson(path, await readInputText(context, path));
}

export function parseInputJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InputFileError(path, `it is not JSON (${(error as Error).message}).`, error);
  }
}
