/** The one logging interface. Sinks: the editor's log channel, JSON lines from a child, and a test sink that fails on errors. */

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** Prompts and file contents may appear at `trace` only. */
export interface Log {
  log(level: LogLevel, tag: string, message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** A record as it crosses a process border. `timeMs` is milliseconds since the Unix epoch. */
export interface LogRecord {
  readonly timeMs: number;
  readonly level: LogLevel;
  readonly tag: string;
  readonly message: string;
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** Drops everything; for callers that have nowhere to write. */
export const silentLog: Log = { log: () => undefined };
