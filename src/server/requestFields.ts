/** Reads the fields of a request body with checks; null counts as absent, as in the OpenAI API. */

import { badField } from './apiError';

export type Body = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Body {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function numberField(body: Body, name: string, minimum: number, maximum: number): number | undefined {
  const value = body[name] ?? undefined;
  if (value === undefined) {
    return undefined;
  }
  if (typeof value !== 'number' || !Number.isFinite(value) || value < minimum || value > maximum) {
    throw badField(name, `a number from ${minimum} to ${maximum}`);
  }
  return value;
}

export function countField(body: Body, name: string, minimum: number, maximum: number): number | undefined {
  const value = numberField(body, name, minimum, maximum);
  if (value !== undefined && !Number.isInteger(value)) {
    throw badField(name, 'a whole number');
  }
  return value;
}

export function flagField(body: Body, name: string): boolean {
  const value = body[name] ?? false;
  if (typeof value !== 'boolean') {
    throw badField(name, 'true or false');
  }
  return value;
}

export function textField(body: Body, name: string): string | undefined {
  const value = body[name] ?? undefined;
  if (value !== undefined && typeof value !== 'string') {
    throw badField(name, 'a text');
  }
  return value;
}

/** One text or a list of up to `most`. */
export function textsField(body: Body, name: string, most: number): readonly string[] {
  const value = body[name] ?? [];
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length > most || !list.every((text): text is string => typeof text === 'string' && text !== '')) {
    throw badField(name, `a text or a list of up to ${most} texts, none empty`);
  }
  return list as readonly string[];
}
