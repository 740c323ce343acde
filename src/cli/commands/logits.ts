import { addAction, type RegisterCommand } from '../command';
import { withModel } from '../engineSession';
import { addLoadOptions, resolveLoadOptions, type LoadFlags } from '../options/loadOptions';
import { tokenIds } from '../options/optionValues';

interface Flags extends LoadFlags {
  readonly ids: readonly number[];
}

/** `glm logits`: the logits after the last of the given ids; for comparing engines. */
export const registerLogits: RegisterCommand = (program, host) => {
  const command = addLoadOptions(program.command('logits').description('print the logits after the last of the given tokens')).requiredOption('--ids <ids>', 'token ids: 1,2,3', tokenIds);
  addAction<Flags>(command, host, async (flags, invocation) => {
    const { logits } = await withModel(invocation, await resolveLoadOptions(flags, invocation), (engine) => engine.request('logits', { ids: flags.ids }, invocation.signal));
    invocation.output.result({ logits }, describeBest(logits, 10));
  });
};

/** The best `count` ids with their logits, one a line. */
function describeBest(logits: readonly number[], count: number): string {
  return logits
    .map((value, id) => ({ id, value }))
    .sort((a, b) => b.value - a.value)
    .slice(0, count)
    .map(({ id, value }) => `${String(id).padStart(7)}  ${value.toFixed(4)}`)
    .join('\n');
}
