import { GlmError } from '../common/errors';
import type { GenerationOptions } from '../common/sampling';

interface Rule {
  readonly option: keyof GenerationOptions;
  readonly expected: string;
  readonly holds: (options: GenerationOptions) => boolean;
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
const isFraction = (value: number): boolean => value >= 0 && value <= 1;

const rules: readonly Rule[] = [
  { option: 'temperature', expected: 'a number from 0 (greedy) up', holds: ({ temperature }) => Number.isFinite(temperature) && temperature >= 0 },
  { option: 'topK', expected: 'a whole number from 0 (all tokens) up', holds: ({ topK }) => isCount(topK) },
  { option: 'topP', expected: 'a number from 0 to 1', holds: ({ topP }) => isFraction(topP) },
  { option: 'minP', expected: 'a number from 0 to 1', holds: ({ minP }) => isFraction(minP) },
  { option: 'repetitionPenalty', expected: 'a number above 0', holds: ({ repetitionPenalty }) => Number.isFinite(repetitionPenalty) && repetitionPenalty > 0 },
  { option: 'seed', expected: 'a whole number from 0 to 4294967295', holds: ({ seed }) => seed === undefined || (isCount(seed) && seed <= 0xffffffff) },
  { option: 'maxNewTokens', expected: 'a whole number from 1 up', holds: ({ maxNewTokens }) => isCount(maxNewTokens) && maxNewTokens >= 1 },
  { option: 'minNewTokens', expected: 'a whole number from 0 up', holds: ({ minNewTokens }) => isCount(minNewTokens) },
  { option: 'stopStrings', expected: 'a list of texts, none empty', holds: ({ stopStrings }) => Array.isArray(stopStrings) && stopStrings.every((stop) => typeof stop === 'string' && stop !== '') },
];

/** @throws {GlmError} `bad-sampling-option` naming the option, what it is and what it may be. */
export function checkGenerationOptions(options: GenerationOptions): void {
  const broken = rules.find((rule) => !rule.holds(options));
  if (broken !== undefined) {
    const value = JSON.stringify(options[broken.option]) ?? 'undefined';
    throw new GlmError('bad-sampling-option', `${broken.option} is ${value}, but must be ${broken.expected}. Change this setting and ask again.`, { fields: { option: broken.option, value, expected: broken.expected } });
  }
}
