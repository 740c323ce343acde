/** The extension's log: writes to the editor's log channel and keeps the last lines for the diagnose page. */

import type { Log, LogLevel } from '../../common/log';

/** The part of vscode.LogOutputChannel that is used here. */
export interface LogChannel {
  trace(message: string): void;
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

const keptLines = 400;
const keptErrors = 20;

export class HostLog implements Log {
  private readonly lines: string[] = [];
  private readonly errorLines: string[] = [];

  constructor(
    private readonly channel: LogChannel,
    private readonly nowMs: () => number = Date.now,
  ) {}

  log(level: LogLevel, tag: string, message: string, fields?: Readonly<Record<string, unknown>>): void {
    const text = `[${tag}] ${message}${fields === undefined || Object.keys(fields).length === 0 ? '' : ` ${JSON.stringify(fields)}`}`;
    this.channel[level](text);
    // Prompts may appear at trace, and the kept lines end up in bug reports.
    if (level === 'trace') {
      return;
    }
    const line = `${new Date(this.nowMs()).toISOString()} ${level} ${text}`;
    keep(this.lines, line, keptLines);
    if (level === 'error') {
      keep(this.errorLines, line, keptErrors);
    }
  }

  /** Newest last; holds no prompts. */
  tail(count: number): readonly string[] {
    return this.lines.slice(-count);
  }

  lastErrors(): readonly string[] {
    return [...this.errorLines];
  }
}

function keep(lines: string[], line: string, limit: number): void {
  lines.push(line);
  if (lines.length > limit) {
    lines.shift();
  }
}
