import { type RegisterCommand, addAction, UsageError } from '../command';
import { withEngine } from '../engineSession';
import { readInputText } from '../inputFile';
import { addModelOption } from '../options/loadOptions';

interface Flags {
  readonly model: string;
  readonly textFile?: string;
  readonly text?: string;
  readonly special: boolean;
  readonly plainText?: boolean;
}

/** `glm tokenize`: text → token ids, as the Python library gives them. Loads no weights. */
export const registerTokenize: RegisterCommand = (program, host) => {
  const command = addModelOption(program.command('tokenize').description('show the token ids of a text'))
    .option('--text-file <file>', 'the text; - reads standard input')
    .option('--text <text>', 'the text itself')
    .option('--no-special', 'leave out the prefix that the tokenizer adds')
    .option('--plain-text', 'special-token literals in the text stay text');
  addAction<Flags>(command, host, async (flags, invocation) => {
    if ((flags.textFile === undefined) === (flags.text === undefined)) {
      throw new UsageError('Give the text with either --text-file or --text.');
    }
    const text = flags.text ?? (await readInputText(invocation.context, flags.textFile ?? '-'));
    const mode = flags.plainText === true ? 'plain' : flags.special ? 'special' : 'no-special';
    const { ids } = await withEngine(invocation, (engine) => engine.request('tokenize', { source: flags.model, text, mode }, invocation.signal));
    invocation.output.result({ ids }, ids.join(' '));
  });
};
