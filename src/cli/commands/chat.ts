import { createInterface } from 'node:readline';
import { addAction, UsageError, type RegisterCommand } from '../command';
import { ChatLoop } from '../chatLoop';
import { withModel } from '../engineSession';
import { exitCode, type ExitCode } from '../exitCode';
import { addLoadOptions, toLoadOptions, type LoadFlags } from '../options/loadOptions';
import { jsonObject } from '../options/optionValues';
import { addSamplingOptions, toGenerationOptions, type SamplingFlags } from '../options/samplingOptions';

type Flags = LoadFlags & SamplingFlags & { readonly system?: string; readonly templateKwargs?: Readonly<Record<string, unknown>>; readonly json?: boolean };

/**
 * `glm chat`: a conversation at the terminal, or with the lines of a pipe as questions.
 * Ctrl-C ends the answer under way; without one it leaves.
 */
export const registerChat: RegisterCommand = (program, host) => {
  const command = addSamplingOptions(addLoadOptions(program.command('chat').description('talk with a model at the terminal')))
    .option('--system <text>', 'system prompt')
    .option('--template-kwargs <json>', 'more variables for the chat template', jsonObject);
  addAction<Flags>(command, host, async (flags, invocation) => {
    if (flags.json === true) {
      throw new UsageError('glm chat has no --json; use glm generate --messages.');
    }
    const { context, output } = invocation;
    return withModel(invocation, toLoadOptions(flags, context.env), async (engine, model): Promise<ExitCode> => {
      const loop = new ChatLoop({ engine, model, options: toGenerationOptions(flags), systemPrompt: flags.system, templateKwargs: flags.templateKwargs, output });
      output.note(`${model.description.name} · ${model.weights} · context ${model.contextTokens.toLocaleString('en-US')} · /help lists the orders`);
      if (!model.description.hasChatTemplate) {
        output.note('This checkpoint has no chat template: each text is continued as it is, without what came before.');
      }
      const isTerminal = context.stdin.isTTY === true;
      const lines = createInterface({ input: context.stdin, output: isTerminal ? context.stdout : undefined, terminal: isTerminal, prompt: '> ' });
      return new Promise<ExitCode>((resolve, reject) => {
        let queue: Promise<unknown> = Promise.resolve();
        let code: ExitCode = exitCode.done;
        const interrupt = (): void => {
          if (loop.isAnswering) {
            loop.stop();
          } else {
            code = exitCode.cancelled;
            lines.close();
          }
        };
        // On a terminal readline takes Ctrl-C itself; otherwise it arrives as a signal.
        lines.on('SIGINT', interrupt);
        const stopListening = context.onInterrupt(interrupt);
        engine.onLost(reject);
        lines.on('line', (line) => {
          if (line.trim() === '/stop') {
            loop.stop();
            return;
          }
          queue = queue
            .then(async () => {
              if (!(await loop.take(line))) {
                lines.close();
              } else if (isTerminal) {
                lines.prompt();
              }
            })
            .catch(reject);
        });
        lines.on('close', () => {
          void queue.then(() => {
            stopListening();
            resolve(code);
          });
        });
        if (isTerminal) {
          lines.prompt();
        }
      });
    });
  });
};
