/** Turns what was typed into the settings drawer into options, or says what is wrong with a field. */

import type { GenerationOptions } from '../../../src/common/sampling';

export type NumberField = 'temperature' | 'topP' | 'topK' | 'minP' | 'repetitionPenalty' | 'seed' | 'maxNewTokens' | 'minNewTokens';

export interface FieldRule {
  readonly label: string;
  readonly help: string;
  readonly min: number;
  readonly max: number;
  readonly isWhole: boolean;
  /** An empty field means undefined. */
  readonly isOptional?: boolean;
}

const maxTokens = 1_048_576;

export const fieldRules: Readonly<Record<NumberField, FieldRule>> = {
  temperature: { label: 'Temperature', help: '0.01 to 5. Lower is more predictable.', min: 0.01, max: 5, isWhole: false },
  topP: { label: 'Top p', help: 'Above 0, up to 1. 1 keeps all tokens.', min: 0.001, max: 1, isWhole: false },
  topK: { label: 'Top k', help: '0 keeps all tokens.', min: 0, max: 1_000_000, isWhole: true },
  minP: { label: 'Min p', help: '0 to 1. 0 keeps all tokens.', min: 0, max: 1, isWhole: false },
  repetitionPenalty: { label: 'Repetition penalty', help: '1 changes nothing; up to 2.', min: 0.1, max: 2, isWhole: false },
  seed: { label: 'Seed', help: 'Empty draws a new one for each answer.', min: 0, max: Number.MAX_SAFE_INTEGER, isWhole: true, isOptional: true },
  maxNewTokens: { label: 'Max new tokens', help: 'Where an answer is cut.', min: 1, max: maxTokens, isWhole: true },
  minNewTokens: { label: 'Min new tokens', help: 'An answer cannot end before.', min: 0, max: maxTokens, isWhole: true },
};

export type FieldResult = { readonly value: number | undefined } | { readonly problem: string };

/** Reads one number field; a comma counts as a decimal point. */
export function readNumberField(field: NumberField, text: string): FieldResult {
  const rule = fieldRules[field];
  const trimmed = text.trim().replace(',', '.');
  if (trimmed === '') {
    return rule.isOptional ? { value: undefined } : { problem: `${rule.label} needs a number.` };
  }
  const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed) ? Number(trimmed) : Number.NaN;
  if (!Number.isFinite(value)) {
    return { problem: `"${text.trim()}" is not a number.` };
  }
  if (rule.isWhole && !Number.isInteger(value)) {
    return { problem: `${rule.label} is a whole number.` };
  }
  if (value < rule.min || value > rule.max) {
    return { problem: rule.max === Number.MAX_SAFE_INTEGER ? `${rule.label} is at least ${rule.min}.` : `${rule.label} lies between ${rule.min} and ${rule.max.toLocaleString('en-US')}.` };
  }
  return { value };
}

/** What is wrong between fields, once each is right by itself. */
export function findConflict(options: GenerationOptions, contextTokens: number | undefined): string | undefined {
  if (options.minNewTokens > options.maxNewTokens) {
    return `Min new tokens (${options.minNewTokens}) is above max new tokens (${options.maxNewTokens}).`;
  }
  if (contextTokens !== undefined && options.maxNewTokens > contextTokens) {
    return `Max new tokens (${options.maxNewTokens}) is above the loaded context of ${contextTokens} tokens; answers end there.`;
  }
  return undefined;
}

/** One stop string per line; `\n`, `\t` and `\\` are escapes. Empty lines are dropped. */
export function parseStopStrings(text: string): readonly string[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/\\(n|t|\\)/g, (_, sign: string) => (sign === 'n' ? '\n' : sign === 't' ? '\t' : '\\')));
}

export function formatStopStrings(stopStrings: readonly string[]): string {
  return stopStrings.map((stop) => stop.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\t', '\\t')).join('\n');
}
