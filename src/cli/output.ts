/**
 * Where the `glm` command writes. Results go to stdout, everything said about them to stderr, so that pipes carry results only.
 * With `--json` stdout holds exactly one JSON value.
 */

import { terminalSteps, type GlmError } from '../common/errors';

export interface Output {
  readonly json: boolean;
  /** The result: `value` with --json, else `text`, on stdout. */
  result(value: unknown, text: string): void;
  /** Streamed text of a result; nothing with --json. */
  stream(text: string): void;
  /** A line for a person, on stderr. */
  note(line: string): void;
  /** A line that the next one replaces, on a terminal; nothing elsewhere. An empty text clears it. */
  status(text: string): void;
  /** A failure: message and next steps on stderr, with --json also as data on stdout. */
  failure(error: Pick<GlmError, 'code' | 'message' | 'next'>): void;
}

/** A place to write to, such as `process.stdout`. */
export interface Sink {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** An error as data; scripts rely on these names. */
export function errorJson({ code, message, next }: Pick<GlmError, 'code' | 'message' | 'next'>): { readonly code: string; readonly message: string; readonly next: ReturnType<typeof terminalSteps> } {
  return { code, message, next: terminalSteps(next) };
}

export function createOutput(stdout: Sink, stderr: Sink, json: boolean): Output {
  let statusLength = 0;
  let lastNote = '';
  const clearStatus = (): void => {
    if (statusLength > 0) {
      stderr.write(`\r${' '.repeat(statusLength)}\r`);
      statusLength = 0;
    }
  };
  return {
    json,
    result(value, text) {
      clearStatus();
      stdout.write(json ? `${JSON.stringify(value)}\n` : text.endsWith('\n') || text === '' ? text : `${text}\n`);
    },
    stream(text) {
      if (!json) {
        clearStatus();
        stdout.write(text);
      }
    },
    note(line) {
      clearStatus();
      lastNote = line;
      stderr.write(`${line}\n`);
    },
    status(text) {
      if (stderr.isTTY === true) {
        clearStatus();
        // Some terminals report no width.
        const line = text.slice(0, (stderr.columns || 80) - 1);
        stderr.write(line);
        statusLength = line.length;
      }
    },
    failure(error) {
      clearStatus();
      // The log may have said it already, such as the end of the engine.
      if (!lastNote.endsWith(error.message)) {
        stderr.write(`${error.message}\n`);
      }
      for (const step of terminalSteps(error.next)) {
        // A message may name its next step itself.
        if (!error.message.includes(step.label)) {
          stderr.write(`  → ${step.label}${step.url === undefined ? '' : `: ${step.url}`}\n`);
        }
      }
      if (json) {
        stdout.write(`${JSON.stringify({ error: errorJson(error) })}\n`);
      }
    },
  };
}
