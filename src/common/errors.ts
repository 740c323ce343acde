/**
 * The base of every error a user can meet, and its form on the wire.
 *
 * One subclass per cause lives in the folder that can raise it; this file holds only what they share.
 * Test `error.code`, never `instanceof`: errors cross bundles and processes as data.
 */

/** A next step that a view can turn into a button or a link. A terminal has neither and shows what {@link terminalSteps} makes of it. */
export interface NextStep {
  readonly label: string;
  /** What to do at a terminal instead, in terms of the command line. */
  readonly terminal?: string;
  /** A command id of the extension, when one does this step. */
  readonly command?: string;
  readonly args?: readonly unknown[];
  /** A public address, when reading it is the step. */
  readonly url?: string;
}

/** The steps that can be taken at a terminal, in its own words. What only a command of the editor does is left out. */
export function terminalSteps(steps: readonly NextStep[]): readonly Pick<NextStep, 'label' | 'url'>[] {
  return steps.flatMap(({ label, terminal, command, url }) => {
    const text = terminal ?? (command === undefined ? label : undefined);
    return text === undefined ? [] : [{ label: text, ...(url === undefined ? {} : { url }) }];
  });
}

/** Values that survive JSON; the numbers an error text is built from. */
export type ErrorFields = Readonly<Record<string, string | number | boolean | readonly string[] | readonly number[] | undefined>>;

export interface GlmErrorOptions {
  readonly fields?: ErrorFields;
  readonly next?: readonly NextStep[];
  readonly cause?: unknown;
}

/** Says what happened, why, and what to do next. `code` is stable kebab-case, such as `checkpoint-not-found`. */
export class GlmError extends Error {
  readonly isGlmError = true;
  readonly code: string;
  readonly fields: ErrorFields;
  readonly next: readonly NextStep[];

  constructor(code: string, message: string, options: GlmErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.fields = options.fields ?? {};
    this.next = options.next ?? [];
  }
}

/**
 * The caller asked to stop. An outcome, not a failure: no toast, partial text is kept.
 *
 * Cause: an aborted AbortSignal. Handled by: whoever owns the signal.
 */
export class CancelledError extends GlmError {
  constructor(what = 'The operation') {
    super('cancelled', `${what} was cancelled.`);
  }
}

/** Throws {@link CancelledError} when `signal` has been aborted. */
export function throwIfAborted(signal: AbortSignal | undefined, what?: string): void {
  if (signal?.aborted) {
    throw new CancelledError(what);
  }
}

/** A {@link GlmError} as data, as it crosses a process border. */
export interface SerializedError {
  readonly code: string;
  readonly name: string;
  readonly message: string;
  readonly fields: ErrorFields;
  readonly next: readonly NextStep[];
  readonly stack?: string;
  readonly cause?: SerializedError;
}

/** True for a GlmError of any bundle. */
export function isGlmError(error: unknown): error is GlmError {
  return typeof error === 'object' && error !== null && (error as { isGlmError?: unknown }).isGlmError === true;
}

/** Turns anything thrown into data; what is no GlmError gets the code `internal`. */
export function serializeError(error: unknown): SerializedError {
  if (isGlmError(error)) {
    return {
      code: error.code,
      name: error.name,
      message: error.message,
      fields: error.fields,
      next: error.next,
      stack: error.stack,
      cause: error.cause === undefined ? undefined : serializeError(error.cause),
    };
  }
  if (error instanceof Error) {
    return { code: 'internal', name: error.name, message: error.message, fields: {}, next: [], stack: error.stack };
  }
  return { code: 'internal', name: 'Error', message: String(error), fields: {}, next: [] };
}

/** Rebuilds an error from its data; the class is GlmError, the `code` tells the cause. */
export function deserializeError(data: SerializedError): GlmError {
  const error = new GlmError(data.code, data.message, {
    fields: data.fields,
    next: data.next,
    cause: data.cause === undefined ? undefined : deserializeError(data.cause),
  });
  error.name = data.name;
  if (data.stack !== undefined) {
    error.stack = data.stack;
  }
  return error;
}
