/** Sampling and length options under transformers' names, with dashes. */

import { type Command } from 'commander';
import { defaultLength, greedySampling, type GenerationOptions, type SamplingDefaults } from '../../common/sampling';
import { UsageError } from '../command';
import type { Output } from '../output';
import { collect, decimalNumber, filledText, wholeNumber } from './optionValues';

export interface SamplingFlags {
  readonly doSample?: boolean;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly seed?: number;
  readonly maxNewTokens?: number;
  readonly minNewTokens?: number;
  readonly stop?: readonly string[];
  readonly ignoreEos?: boolean;
}

export function addSamplingOptions(command: Command): Command {
  return command
    .option('--do-sample', 'draw tokens, with the values of generation_config.json where none is given; temperature, top-k, top-p and min-p draw without it, and then unset values change nothing')
    .option('--no-do-sample', 'always take the likeliest token')
    .option('--temperature <value>', '0 takes the likeliest token', decimalNumber(0, 100))
    .option('--top-k <n>', 'keep the n likeliest tokens; 0 keeps all', wholeNumber(0))
    .option('--top-p <fraction>', 'keep the likeliest tokens up to this probability; 1 keeps all', decimalNumber(0, 1))
    .option('--min-p <fraction>', 'keep tokens with at least this share of the likeliest one; 0 keeps all', decimalNumber(0, 1))
    .option('--repetition-penalty <factor>', '1 changes nothing', decimalNumber(0.01, 100))
    .option('--seed <n>', 'the same seed gives the same tokens on the same device', wholeNumber(0, 2 ** 32 - 1))
    .option('--max-new-tokens <n>', `default ${defaultLength.maxNewTokens}`, wholeNumber(1))
    .option('--min-new-tokens <n>', 'no end before this many tokens', wholeNumber(0))
    .option('--stop <text>', 'end before this text; repeatable', collect(filledText))
    .option('--ignore-eos', 'an end-of-sequence token does not end the text');
}

/**
 * Before a model is loaded for it.
 *
 * @throws {UsageError} for options that contradict each other, as transformers refuses them.
 */
export function checkSamplingFlags({ doSample, temperature, minNewTokens = defaultLength.minNewTokens, maxNewTokens = defaultLength.maxNewTokens }: SamplingFlags): void {
  if (minNewTokens > maxNewTokens) {
    throw new UsageError(`At least ${minNewTokens} new tokens (--min-new-tokens) and at most ${maxNewTokens} (--max-new-tokens) can't both be.`);
  }
  if (doSample === true && temperature === 0) {
    throw new UsageError('--do-sample draws tokens, and --temperature 0 always takes the likeliest one. Give one of them, or a temperature above 0.');
  }
}

/**
 * Greedy unless something asks for sampling. Unset values change nothing, unless `--do-sample` asks for sampling as transformers does it.
 *
 * @param modelDefaults  Of the checkpoint's generation_config.json.
 * @param output  Told where those leave nothing to draw.
 */
export function toGenerationOptions(flags: SamplingFlags, modelDefaults: SamplingDefaults | undefined, output: Output): GenerationOptions {
  const unset = { ...greedySampling, ...(flags.doSample === true ? modelDefaults : {}) };
  const asksForSampling = flags.temperature !== undefined || flags.topK !== undefined || flags.topP !== undefined || flags.minP !== undefined;
  const temperature = flags.temperature ?? unset.temperature;
  if (temperature === 0 && flags.temperature === undefined) {
    output.note('generation_config.json sets temperature 0, so the likeliest token is always taken although --do-sample is given; --temperature with a value above 0 draws.');
  }
  return {
    doSample: temperature === 0 ? false : (flags.doSample ?? asksForSampling),
    temperature: temperature === 0 ? greedySampling.temperature : temperature,
    topK: flags.topK ?? unset.topK,
    topP: flags.topP ?? unset.topP,
    minP: flags.minP ?? unset.minP,
    repetitionPenalty: flags.repetitionPenalty ?? unset.repetitionPenalty,
    seed: flags.seed,
    maxNewTokens: flags.maxNewTokens ?? defaultLength.maxNewTokens,
    minNewTokens: flags.minNewTokens ?? defaultLength.minNewTokens,
    stopStrings: flags.stop ?? defaultLength.stopStrings,
    ignoreEos: flags.ignoreEos ?? defaultLength.ignoreEos,
  };
}
