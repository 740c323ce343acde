import { isGlmError, type GlmError } from '../../common/errors';
import type { ContextLimit, GenerateResult, PromptInput } from '../../common/protocol/engine';
import type { GenerationOptions } from '../../common/sampling';
import type { EngineClient } from '../../engine/client/startEngine';
import { addAction, type Invocation, type RegisterCommand } from '../command';
import { withModel } from '../engineSession';
import { exitCode, type ExitCode } from '../exitCode';
import { describeContextLimit, describeFigures, toJson } from '../generationText';
import { addLoadOptions, resolveLoadOptions, type LoadFlags } from '../options/loadOptions';
import { addPromptOptions, readPrompts, type PromptFlags, type PromptRow } from '../options/promptOptions';
import { addSamplingOptions, checkSamplingFlags, toGenerationOptions, type SamplingFlags } from '../options/samplingOptions';
import { errorJson, type Output } from '../output';

type Flags = LoadFlags & PromptFlags & SamplingFlags & { readonly tokenTimes?: boolean };

/** What became of one prompt of several. */
type RowOutcome = { readonly result: GenerateResult } | { readonly error: GlmError };

/** `glm generate`: prompts → continuations with figures; several prompts run together and give rows in the order asked. */
export const registerGenerate: RegisterCommand = (program, host) => {
  const command = addSamplingOptions(addPromptOptions(addLoadOptions(program.command('generate').description('continue one or several prompts')))).option(
    '--token-times',
    'with --json: when each token was chosen, in ms since submit',
  );
  addAction<Flags>(command, host, async (flags, invocation) => {
    checkSamplingFlags(flags);
    const { rows, areRows } = await readPrompts(flags, invocation.context);
    const load = await resolveLoadOptions(flags, invocation, rows.length);
    const asJson = (result: GenerateResult): object => (flags.tokenTimes === true ? { ...toJson(result), tokenTimesMs: result.tokenTimesMs } : toJson(result));
    const outcomes = await withModel(invocation, load, (engine, { description }) =>
      generateRows(engine, rows, toGenerationOptions(flags, description.samplingDefaults, invocation.output), invocation, !areRows),
    );
    return areRows ? printRows(outcomes, asJson, invocation.output) : printOnly(outcomes[0], asJson, invocation.output);
  });
};

/** Runs all prompts together. One that can't be answered leaves the others alone. */
function generateRows(engine: EngineClient, rows: readonly PromptRow[], options: GenerationOptions, invocation: Invocation, streams: boolean): Promise<readonly RowOutcome[]> {
  let doneRows = 0;
  return Promise.all(
    rows.map(async (row, index): Promise<RowOutcome> => {
      const outcome = 'prompt' in row ? await generateRow(engine, `row-${index}`, row.prompt, options, invocation, streams) : row;
      doneRows += 1;
      if (!streams) {
        invocation.output.status(doneRows < rows.length ? `${doneRows} of ${rows.length} rows done` : '');
      }
      return outcome;
    }),
  );
}

async function generateRow(engine: EngineClient, generationId: string, prompt: PromptInput, options: GenerationOptions, { output, signal }: Invocation, streams: boolean): Promise<RowOutcome> {
  const listener = streams
    ? {
        onDelta: ({ text }: { readonly text: string }) => output.stream(text),
        onPrefill: ({ doneTokens, totalTokens }: { readonly doneTokens: number; readonly totalTokens: number }) => output.status(doneTokens < totalTokens ? `prefill ${doneTokens} of ${totalTokens} tokens` : ''),
      }
    : {};
  const onContextLimit = (limit: ContextLimit): void => output.note(describeContextLimit(limit));
  try {
    return { result: await engine.generate({ generationId, prompt, options }, { ...listener, onContextLimit }, signal) };
  } catch (error) {
    if (!isGlmError(error)) {
      throw error;
    }
    return { error };
  }
}

/** @throws {GlmError} of the first row when no row has a result: then it is the command that failed. */
function printRows(outcomes: readonly RowOutcome[], asJson: (result: GenerateResult) => object, output: Output): ExitCode {
  const failures = outcomes.flatMap((outcome) => ('error' in outcome ? [outcome.error] : []));
  if (failures[0] !== undefined && failures.length === outcomes.length) {
    throw failures[0];
  }
  output.result(
    { rows: outcomes.map((outcome) => ('error' in outcome ? { error: errorJson(outcome.error) } : asJson(outcome.result))) },
    outcomes.map((outcome, index) => `--- ${index + 1}: ${'error' in outcome ? 'failed' : `${describeFigures(outcome.result)}\n${outcome.result.text}`}`).join('\n'),
  );
  outcomes.forEach((outcome, index) => 'error' in outcome && output.note(`row ${index + 1} failed: ${outcome.error.message}`));
  if (outcomes.some((outcome) => ('error' in outcome ? outcome.error.code === 'cancelled' : outcome.result.stopReason === 'cancelled'))) {
    return exitCode.cancelled;
  }
  return failures.length > 0 ? exitCode.failed : exitCode.done;
}

function printOnly(outcome: RowOutcome | undefined, asJson: (result: GenerateResult) => object, output: Output): ExitCode {
  if (outcome === undefined || 'error' in outcome) {
    throw outcome?.error ?? new RangeError('no prompt was run');
  }
  output.result(asJson(outcome.result), '\n');
  if (!output.json) {
    output.note(describeFigures(outcome.result));
  }
  return outcome.result.stopReason === 'cancelled' ? exitCode.cancelled : exitCode.done;
}
