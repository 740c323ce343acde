import { createInterface } from 'node:readline';
import { addAction, UsageError, type RegisterCommand } from '../command';
import { ChatLoop } from '../chatLoop';
import { withModel } from '../engineSession';
import { exitCode, type ExitCode } from '../exitCode';
import { addLoadOptions, resolveLoadOptions, type LoadFlags } from '../options/loadOptions';
import { jsonObject } from '../options/optionValues';
import { addSamplingOptions, checkSamplingFlags, toGenerationOptions, type SamplingFlags } from '../options/samplingOptions';

type Flags = LoadFlags & SamplingFlags & { readonly system?: string; readonly templateKwargs?: Readonly<Record<string, unknown>>; readonly json?: boolean };

/**
 * `glm chat`: a conversation at the terminal, or with the lines of a pipe as questions.
 * Ctrl-C ends the answer under way; without one it leaves.
 */
export const registerChat: RegisterCommand = (program, host) => {
  const command = addSamplingOptions(addLoadOptions(program.command('chat').description('talk with a model at the terminal'), host.context.demoModelFolder))
    .option('--system <text>', 'system prompt')
    .option('--template-kwargs <json>', 'more variables for the chat template', jsonObject);
  addAction<Flags>(command, host, async (flags, invocation) => {
    if (flags.json === true) {
      throw new UsageError('glm chat has no --json; use glm generate --messages.');
    }
    checkSamplingFlags(flags);
    const { context, output } = invocation;
    return withModel(invocation, await resolveLoadOptions(flags, invocation), async (engine, model, handleInterrupts): Promise<ExitCode> => {
      handleInterrupts();
      const loop = new ChatLoop({ engine, model, options: toGenerationOptions(flags, model.description.samplingDefaults, output), systemPrompt: flags.system, templateKwargs: flags.templateKwargs, output });
      output.note(`${model.description.name} · ${model.weights} · context ${model.contextTokens.toLocaleString('en-US')} · /help lists the orders`);
      if (!model.description.hasChatTemplate) {
        output.note('This checkpoint has no chat template: each text is continued as it is, without what came before.');
      }
      const isTerminal = context.stdin.isTTY === true;
      const lines = createInterface({ input: context.stdin, output: isTerminal ? context.stdout : undefined, terminal: isTerminal, prompt: '> ' });
      let stopListening: () => void = () => undefined;
      try {
        return await new Promise<ExitCode>((resolve, reject) => {
          let queue: Promise<unknown> = Promise.resolve();
          let code: ExitCode | undefined;
          const leave = (newCode: ExitCode): void => {
            code ??= newCode;
            lines.close();
          };
          const interrupt = (): void => (loop.isAnswering ? loop.stop() : leave(exitCode.cancelled));
          // On a terminal readline takes Ctrl-C itself; otherwise it arrives as a signal.
          lines.on('SIGINT', interrupt);
          stopListening = context.onInterrupt(interrupt);
          engine.onLost(reject);
          const take = async (line: string): Promise<void> => {
            if (code === undefined && !(await loop.take(line))) {
              leave(exitCode.done);
            } else if (isTerminal && code === undefined) {
              lines.prompt();
            }
          };
          lines.on('line', (line) => {
            if (line.trim() === '/stop' && loop.isAnswering) {
              loop.stop();
            } else {
              queue = queue.then(() => take(line)).catch(reject);
            }
          });
          // The end of a pipe comes while its questions still wait; at a terminal it is Ctrl-D, and nobody waits for them.
          lines.on('close', () => {
            if (isTerminal) {
              code ??= exitCode.done;
              loop.stop();
            }
            void queue.then(() => resolve(code ?? exitCode.done));
          });
          if (isTerminal) {
            lines.prompt();
          }
        });
      } finally {
        stopListening();
        lines.close();
      }
    });
  });
};
