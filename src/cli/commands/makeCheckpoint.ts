import { Option } from 'commander';
import { shapeNames, type Architecture, type ShapeName } from '../../checkpoint/make/shapes';
import { makeCheckpoint } from '../../checkpoint/make/makeCheckpoint';
import { formatBytes } from '../../common/byteFormat';
import { addAction, type RegisterCommand } from '../command';
import { wholeNumber } from '../options/optionValues';

interface MakeFlags {
  readonly shape: ShapeName;
  readonly out: string;
  readonly architecture?: Architecture;
  readonly dtype: 'bf16' | 'f16';
  readonly seed: number;
  readonly threads?: number;
}

/** `glm make-checkpoint`: a checkpoint with random weights, for benchmarks. */
export const registerMakeCheckpoint: RegisterCommand = (program, host) => {
  const command = program
    .command('make-checkpoint')
    .description('write a checkpoint with random weights in the shape of a published model, for benchmarks')
    .addOption(new Option('--shape <name>', 'the model to imitate').choices(shapeNames).makeOptionMandatory())
    .requiredOption('--out <folder>', 'the folder to make; must not exist or be empty')
    .addOption(new Option('--architecture <name>', 'default: the one the size was published in').choices(['glm', 'glm4']))
    .addOption(new Option('--dtype <name>', 'type of the weights').choices(['bf16', 'f16']).default('bf16'))
    .option('--seed <number>', 'the same seed gives the same bytes', wholeNumber(0, 0xffffffff), 0)
    .option('--threads <number>', 'threads that draw and write; default: one per core, at most 16', wholeNumber(1, 256));
  addAction<MakeFlags>(command, host, async ({ shape, out, architecture, dtype, seed, threads }, { output, signal }) => {
    const startMs = performance.now();
    const made = await makeCheckpoint({
      shape,
      folder: out,
      architecture,
      dtype,
      seed,
      numThreads: threads,
      signal,
      onProgress: (doneBytes, totalBytes) => output.status(`${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`),
    });
    const elapsedMs = performance.now() - startMs;
    output.result(
      { ...made, elapsedMs },
      `${made.folder}: ${(made.parameterCount / 1e9).toFixed(2)} billion parameters, ${formatBytes(made.fileBytes)} in ${made.numShards} file${made.numShards === 1 ? '' : 's'}, ${(elapsedMs / 1000).toFixed(1)} s`,
    );
  });
};
