import { addAction, type RegisterCommand } from '../command';
import { toChatInput, toTools } from '../chatFile';
import { withEngine } from '../engineSession';
import { readConversationJson } from '../inputFile';
import { addModelOption } from '../options/loadOptions';
import { jsonObject } from '../options/optionValues';

interface Flags {
  readonly model: string;
  readonly messages: string;
  readonly tools?: string;
  readonly templateKwargs?: Readonly<Record<string, unknown>>;
  readonly generationPrompt: boolean;
}

/** `glm template`: messages → the prompt as the checkpoint's template renders it, and its ids. Loads no weights. */
export const registerTemplate: RegisterCommand = (program, host) => {
  const command = addModelOption(program.command('template').description("render messages with the checkpoint's chat template"))
    .requiredOption('--messages <file>', 'JSON list of messages; - reads standard input')
    .option('--tools <file>', 'JSON list of tools in the OpenAI form')
    .option('--template-kwargs <json>', 'more variables for the template', jsonObject)
    .option('--no-generation-prompt', "leave out the opening of the assistant's turn");
  addAction<Flags>(command, host, async (flags, invocation) => {
    const chat = {
      ...toChatInput(flags.messages, await readConversationJson(invocation.context, flags.messages)),
      ...(flags.tools === undefined ? {} : { tools: toTools(flags.tools, await readConversationJson(invocation.context, flags.tools)) }),
      templateKwargs: flags.templateKwargs,
      addGenerationPrompt: flags.generationPrompt,
    };
    const rendered = await withEngine(invocation, (engine) => engine.request('render-chat', { source: flags.model, chat }, invocation.signal));
    invocation.output.result({ text: rendered.text, ids: rendered.ids }, rendered.text);
  });
};
