import type { ContextLimit, GenerateResult, PromptInput } from '../../common/protocol/engine';
import type { GenerationOptions } from '../../common/sampling';
import type { EngineClient } from '../../engine/client/startEngine';
import { addAction, type Invocation, type RegisterCommand } from '../command';
import { withModel } from '../engineSession';
import { exitCode } from '../exitCode';
import { describeContextLimit, describeFigures, toJson } from '../generationText';
import { addLoadOptions, resolveLoadOptions, type LoadFlags } from '../options/loadOptions';
import { addPromptOptions, readPrompts, type PromptFlags } from '../options/promptOptions';
import { addSamplingOptions, toGenerationOptions, type SamplingFlags } from '../options/samplingOptions';

type Flags = LoadFlags & PromptFlags & SamplingFlags & { readonly tokenTimes?: boolean };

/** `glm generate`: prompts → continuations with figures; several prompts run together and give rows in the order asked. */
export const registerGenerate: RegisterCommand = (program, host) => {
  const command = addSamplingOptions(addPromptOptions(addLoadOptions(program.command('generate').description('continue one or several prompts')))).option(
    '--token-times',
    'with --json: when each token was chosen, in ms since submit',
  );
  addAction<Flags>(command, host, async (flags, invocation) => {
    const prompts = await readPrompts(flags, invocation.context);
    const options = toGenerationOptions(flags);
    const load = await resolveLoadOptions(flags, invocation, prompts.inputs.length);
    const results = await withModel(invocation, load, (engine) =>
      generateAll(engine, prompts.inputs, options, invocation, !prompts.areRows),
    );
    const rows = results.map((result) => (flags.tokenTimes === true ? { ...toJson(result), tokenTimesMs: result.tokenTimesMs } : toJson(result)));
    if (prompts.areRows) {
      invocation.output.result({ rows }, results.map((result, index) => `--- ${index + 1}: ${describeFigures(result)}\n${result.text}`).join('\n'));
    } else {
      invocation.output.result(rows[0], '\n');
      results.forEach((result) => invocation.output.json || invocation.output.note(describeFigures(result)));
    }
    return results.some((result) => result.stopReason === 'cancelled') ? exitCode.cancelled : exitCode.done;
  });
};

async function generateAll(
  engine: EngineClient,
  inputs: readonly PromptInput[],
  options: GenerationOptions,
  { output, signal }: Invocation,
  streams: boolean,
): Promise<readonly GenerateResult[]> {
  let doneRows = 0;
  return Promise.all(
    inputs.map(async (prompt, index) => {
      const listener = streams
        ? {
            onDelta: ({ text }: { readonly text: string }) => output.stream(text),
            onPrefill: ({ doneTokens, totalTokens }: { readonly doneTokens: number; readonly totalTokens: number }) => output.status(doneTokens < totalTokens ? `prefill ${doneTokens} of ${totalTokens} tokens` : ''),
          }
        : {};
      const onContextLimit = (limit: ContextLimit): void => output.note(describeContextLimit(limit));
      const result = await engine.generate({ generationId: `row-${index}`, prompt, options }, { ...listener, onContextLimit }, signal);
      doneRows += 1;
      if (!streams) {
        output.status(doneRows < inputs.length ? `${doneRows} of ${inputs.length} rows done` : '');
      }
      return result;
    }),
  );
}
