/** Checks JSON of unknown origin against a shape, naming the first place that is wrong. Fields that a shape does not name are let through. */

/** @returns what is wrong at `path`, or undefined. */
export type Check = (value: unknown, path: string) => string | undefined;

const largest = Number.MAX_SAFE_INTEGER;

export const isNumber: Check = (value, path) => (typeof value === 'number' && Number.isFinite(value) && Math.abs(value) <= largest ? undefined : `${path} is no number`);

export const isAmount: Check = (value, path) => isNumber(value, path) ?? ((value as number) >= 0 ? undefined : `${path} is negative`);

export const isCount: Check = (value, path) => isAmount(value, path) ?? (Number.isInteger(value) ? undefined : `${path} is no whole number`);

export const isText: Check = (value, path) => (typeof value === 'string' ? undefined : `${path} is no text`);

export const isBoolean: Check = (value, path) => (typeof value === 'boolean' ? undefined : `${path} is neither true nor false`);

export function isOneOf(...allowed: readonly string[]): Check {
  return (value, path) => (allowed.includes(value as string) ? undefined : `${path} is none of ${allowed.join(', ')}`);
}

export function matches(pattern: RegExp, what: string): Check {
  return (value, path) => (typeof value === 'string' && pattern.test(value) ? undefined : `${path} is no ${what}`);
}

export function optional(check: Check): Check {
  return (value, path) => (value === undefined ? undefined : check(value, path));
}

export function listOf(check: Check, most = Infinity): Check {
  return (value, path) => {
    if (!Array.isArray(value)) {
      return `${path} is no list`;
    }
    if (value.length > most) {
      return `${path} has ${value.length} entries, more than ${most}`;
    }
    for (let index = 0; index < value.length; index += 1) {
      const problem = check(value[index], `${path}[${index}]`);
      if (problem !== undefined) {
        return problem;
      }
    }
    return undefined;
  };
}

/** As {@link listOf} for numbers, without a path made up for each of millions. */
export const isNumberList: Check = (value, path) => {
  if (!Array.isArray(value)) {
    return `${path} is no list`;
  }
  const wrong = (value as readonly unknown[]).findIndex((entry) => typeof entry !== 'number' || !(Math.abs(entry) <= largest));
  return wrong < 0 ? undefined : `${path}[${wrong}] is no number`;
};

export function hasFields(fields: Readonly<Record<string, Check>>, also?: (value: Readonly<Record<string, unknown>>, path: string) => string | undefined): Check {
  const entries = Object.entries(fields);
  return (value, path) => {
    if (!isRecord(value)) {
      return `${path} is no object`;
    }
    for (const [name, check] of entries) {
      // Only its own fields: a shape has no business with what every object inherits.
      const problem = check(Object.hasOwn(value, name) ? value[name] : undefined, path === '' ? name : `${path}.${name}`);
      if (problem !== undefined) {
        return problem;
      }
    }
    return also?.(value, path);
  };
}

export function mapOf(check: Check): Check {
  return (value, path) => {
    if (!isRecord(value)) {
      return `${path} is no object`;
    }
    for (const [name, entry] of Object.entries(value)) {
      const problem = check(entry, `${path}.${name}`);
      if (problem !== undefined) {
        return problem;
      }
    }
    return undefined;
  };
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Says that a document is of another kind or version, which explains everything else that may be wrong with it.
 *
 * @param known  The schema that is read, such as `glm-local-bench/1`: a name, a slash and the version.
 * @returns undefined for the known schema.
 */
export function describeOtherSchema(value: unknown, known: string): string | undefined {
  const schema: unknown = isRecord(value) && Object.hasOwn(value, 'schema') ? value.schema : undefined;
  if (schema === known) {
    return undefined;
  }
  if (typeof schema !== 'string') {
    return 'it names no schema';
  }
  const [name, version] = known.split('/');
  const [, otherVersion] = schema.startsWith(`${name}/`) ? (/\/(\d{1,9})$/.exec(schema) ?? []) : [];
  const named = `its schema is "${schema.slice(0, 80)}"`;
  if (otherVersion === undefined) {
    return named;
  }
  return Number(otherVersion) > Number(version) ? `${named}, which a newer GLM Local wrote: update this one to open it` : `${named}, which an older GLM Local wrote: this one no longer reads it`;
}

/**
 * @returns what `JSON.parse` says, in words for someone who knows the file and not the parser: cut off, NaN, or broken at a place.
 */
export function describeJsonError(text: string, error: unknown): string {
  const said = error instanceof Error ? error.message : String(error);
  if (text.trim() === '') {
    return 'it is empty';
  }
  // Every complete document of ours ends with the brace that it begins with.
  if (/^\s*\{/.test(text.slice(0, 100)) && !/\}\s*$/.test(text.slice(-100))) {
    return `it is cut off after ${text.length.toLocaleString('en')} characters`;
  }
  const [notANumber] = /[:,[]\s*(NaN|-?Infinity)\b/.exec(text) ?? [];
  return notANumber === undefined ? `its JSON is broken (${said})` : `it holds ${notANumber.replace(/^[:,[]\s*/, '')}, which is no JSON; a figure that could not be measured is left out`;
}
