/** How a command of `glm` is declared: its options with commander, its body as a function that returns when the work is done. */

import { setMaxListeners } from 'node:events';
import type { Command } from 'commander';
import { CancelledError, GlmError, isGlmError } from '../common/errors';
import type { Log, LogLevel } from '../common/log';
import type { CliContext } from './cliContext';
import { exitCode, type ExitCode } from './exitCode';
import { createOutput, type Output } from './output';

/** Handed to a command's body. */
export interface Invocation {
  readonly context: CliContext;
  readonly output: Output;
  /** Aborts on Ctrl-C; a third within two seconds ends the process at once. */
  readonly signal: AbortSignal;
  /** Log records of the engine and the monitor: warnings and errors to stderr, with --verbose all. */
  readonly log: Log;
}

/** A wrong combination of options or a value that cannot be meant: exit code 2. */
export class UsageError extends GlmError {
  constructor(message: string) {
    super('usage', message);
  }
}

export interface CommandHost {
  readonly context: CliContext;
  /** Takes the exit code of the command that ran. */
  finish(code: ExitCode): void;
}

export type RegisterCommand = (program: Command, host: CommandHost) => void;

/** Adds `--json` and `--verbose`, runs `body`, and turns what it throws into a message and an exit code. */
export function addAction<Options extends object>(command: Command, host: CommandHost, body: (options: Options, invocation: Invocation) => Promise<ExitCode | void>): Command {
  return command
    .option('--json', 'print the result as one JSON value on stdout')
    .option('--verbose', 'print every log record of the engine on stderr')
    .action(async () => {
      const options = command.opts<Options & { readonly json?: boolean; readonly verbose?: boolean }>();
      const output = createOutput(host.context.stdout, host.context.stderr, options.json === true);
      const controller = new AbortController();
      // Every prompt of a batch listens to it.
      setMaxListeners(0, controller.signal);
      const stopListening = host.context.onInterrupt(() => controller.abort());
      try {
        const code = await body(options, { context: host.context, output, signal: controller.signal, log: createCliLog(output, options.verbose === true) });
        host.finish(code ?? exitCode.done);
      } catch (error) {
        host.finish(reportFailure(error, output, controller.signal));
      } finally {
        stopListening();
      }
    });
}

function reportFailure(error: unknown, output: Output, signal: AbortSignal): ExitCode {
  if (error instanceof UsageError) {
    output.note(`error: ${error.message}`);
    return exitCode.usage;
  }
  if (signal.aborted || (isGlmError(error) && error.code === 'cancelled')) {
    output.failure(isGlmError(error) && error.code === 'cancelled' ? error : new CancelledError());
    return exitCode.cancelled;
  }
  output.failure(isGlmError(error) ? error : new GlmError('internal', error instanceof Error ? `Unexpected error: ${error.message}` : String(error)));
  return exitCode.failed;
}

const shownLevels: ReadonlySet<LogLevel> = new Set(['warn', 'error']);

function createCliLog(output: Output, isVerbose: boolean): Log {
  return {
    log(level, tag, message) {
      if (isVerbose || shownLevels.has(level)) {
        output.note(`${level} ${tag}: ${message}`);
      }
    },
  };
}
