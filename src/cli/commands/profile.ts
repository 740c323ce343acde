import type { Profile } from '../../common/profile';
import { chromeTraceText } from '../../profiling/chromeTrace';
import { parseProfile } from '../../profiling/parseProfile';
import { addAction, UsageError, type Invocation, type RegisterCommand } from '../command';
import { exitCode, type ExitCode } from '../exitCode';
import { readInputText } from '../inputFile';
import { addLoadOptions, resolveLoadOptions, type LoadFlags } from '../options/loadOptions';
import { wholeNumber } from '../options/optionValues';
import { assertWritable, tryWriteFile } from '../outputFile';
import { describeProfile } from '../profile/profileText';
import { recordProfile } from '../profile/recordProfile';

interface Flags extends Omit<LoadFlags, 'model'> {
  readonly model?: string;
  readonly promptTokens: number;
  readonly newTokens: number;
  readonly operatorSteps: number;
  readonly out?: string;
  readonly chromeTrace?: string;
  readonly open?: string;
}

/** `glm profile`: where time and memory of a generation go; `glm profile --open`: the same of a saved one. */
export const registerProfile: RegisterCommand = (program, host) => {
  const command = addLoadOptions(program.command('profile').description('show where the time and the memory of a generation go'))
    .option('--prompt-tokens <n>', 'tokens to read', wholeNumber(1), 512)
    .option('--new-tokens <n>', 'tokens to generate', wholeNumber(2), 128)
    .option('--operator-steps <n>', 'extra decode steps whose every node is timed; 0 for none', wholeNumber(0, 10_000), 16)
    .option('--out <file>', 'write the profile as JSON')
    .option('--chrome-trace <file>', 'write a trace for ui.perfetto.dev or chrome://tracing')
    .option('--open <file>', 'show a profile that was written with --out');
  // A saved profile needs no model.
  command.options.find(({ long }) => long === '--model')?.makeOptionMandatory(false);
  addAction<Flags>(command, host, (flags, invocation) => (flags.open === undefined ? record(flags, invocation, program.version() ?? 'unknown') : show(flags.open, flags, invocation)));
};

async function record({ model, ...flags }: Flags, invocation: Invocation, version: string): Promise<ExitCode> {
  if (model === undefined) {
    throw new UsageError('Name a checkpoint with --model, or a saved profile with --open.');
  }
  assertWritable('--out', flags.out);
  assertWritable('--chrome-trace', flags.chromeTrace);
  const load = await resolveLoadOptions({ ...flags, model }, invocation);
  const { profile, isCut } = await recordProfile({ load, promptTokens: flags.promptTokens, newTokens: flags.newTokens, operatorSteps: flags.operatorSteps, version }, invocation);
  const code = finish(profile, flags, invocation);
  return isCut ? exitCode.cancelled : code;
}

async function show(path: string, flags: Flags, invocation: Invocation): Promise<ExitCode> {
  if (flags.model !== undefined || flags.out !== undefined) {
    throw new UsageError('--open shows a saved profile; --model and --out belong to recording one.');
  }
  assertWritable('--chrome-trace', flags.chromeTrace);
  return finish(parseProfile(await readInputText(invocation.context, path), path), flags, invocation);
}

/** What was measured is printed whether or not the files could be written. */
function finish(profile: Profile, { out, chromeTrace }: Pick<Flags, 'out' | 'chromeTrace'>, { output }: Invocation): ExitCode {
  const failures = [
    ...(out === undefined ? [] : [tryWriteFile(out, [JSON.stringify(profile)])]),
    ...(chromeTrace === undefined ? [] : [tryWriteFile(chromeTrace, chromeTraceText(profile))]),
  ].filter((failure) => failure !== undefined);
  output.result(profile, describeProfile(profile));
  failures.forEach((failure) => output.note(`error: ${failure}`));
  return failures.length > 0 ? exitCode.failed : exitCode.done;
}
