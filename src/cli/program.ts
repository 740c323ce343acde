/** `glm` as a whole: its commands, and what becomes of wrong usage. */

import { Command, CommanderError } from 'commander';
import type { CliContext } from './cliContext';
import type { CommandHost, RegisterCommand } from './command';
import { registerBench } from './commands/bench';
import { registerChat } from './commands/chat';
import { registerDevices } from './commands/devices';
import { registerGenerate } from './commands/generate';
import { registerLint } from './commands/lint';
import { registerLogits } from './commands/logits';
import { registerMakeCheckpoint } from './commands/makeCheckpoint';
import { registerPlan } from './commands/plan';
import { registerProfile } from './commands/profile';
import { registerSetupCuda } from './commands/setupCuda';
import { registerServe } from './commands/serve';
import { registerTemplate } from './commands/template';
import { registerTokenize } from './commands/tokenize';
import { exitCode, type ExitCode } from './exitCode';

const commands: readonly RegisterCommand[] = [registerChat, registerGenerate, registerLogits, registerTokenize, registerTemplate, registerDevices, registerPlan, registerServe, registerMakeCheckpoint, registerLint, registerBench, registerProfile, registerSetupCuda];

/** Runs one command line, without the program's own name, and returns its exit code. Never throws for what a user did. */
export async function runCli(args: readonly string[], context: CliContext, version: string): Promise<ExitCode> {
  let code: ExitCode = exitCode.done;
  const host: CommandHost = { context, finish: (result) => (code = result) };
  const program = new Command('glm').description('GLM-4 models on your own devices').version(version).showHelpAfterError('(glm --help lists commands and options)');
  program.configureOutput({ writeOut: (text) => void context.stdout.write(text), writeErr: (text) => void context.stderr.write(text) });
  program.exitOverride();
  for (const register of commands) {
    register(program, host);
  }
  for (const command of program.commands) {
    command.exitOverride().copyInheritedSettings(program);
  }
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version that were asked for end with 0; everything else is wrong usage.
      return error.exitCode === 0 ? exitCode.done : exitCode.usage;
    }
    throw error;
  }
}
