/** `generation_config.json` → the sampling values its makers recommend. Values that cannot be meant are left out: they are advice, not needed to run. */

import type { SamplingDefaults } from '../common/sampling';

const isFraction = (value: number): boolean => value >= 0 && value <= 1;

const keys: readonly { readonly key: string; readonly option: keyof SamplingDefaults; readonly holds: (value: number) => boolean }[] = [
  // 0 asks for the likeliest token.
  { key: 'temperature', option: 'temperature', holds: (value) => value >= 0 && value <= 100 },
  { key: 'top_k', option: 'topK', holds: (value) => Number.isSafeInteger(value) && value >= 0 },
  { key: 'top_p', option: 'topP', holds: isFraction },
  { key: 'min_p', option: 'minP', holds: isFraction },
  { key: 'repetition_penalty', option: 'repetitionPenalty', holds: (value) => value >= 0.01 && value <= 100 },
];

/** @param generationConfig  The parsed file, unchecked; undefined where there is none. */
export function readSamplingDefaults(generationConfig: Readonly<Record<string, unknown>> | undefined): SamplingDefaults {
  return Object.fromEntries(
    keys.flatMap(({ key, option, holds }) => {
      const value = generationConfig?.[key];
      return typeof value === 'number' && holds(value) ? [[option, value]] : [];
    }),
  );
}
