/** What can go wrong below the C API, as errors with a next step. */

import { CancelledError, GlmError } from '../common/errors';

/** OrtErrorCode values that are told apart; the rest is shown by number. */
const codeNames: readonly string[] = [
  'ok',
  'failure',
  'invalid argument',
  'no such file',
  'no model',
  'engine error',
  'runtime exception',
  'invalid protobuf',
  'model loaded',
  'not implemented',
  'invalid graph',
  'execution provider failure',
  'model load cancelled',
  'model requires compilation',
  'not found',
];

/** The runtime has no code of its own for this; only its text, and the device libraries' names in it, tell. */
const outOfMemoryText = /out of memory|cudaErrorMemoryAllocation|Failed to allocate memory|bad_alloc|resource allocation failed|(CUBLAS|CUDNN)_STATUS_\w*ALLOC\w*_FAILED/i;

/**
 * A call of the C API failed. Code `device-out-of-memory` when a device or the machine had no memory left, else `runtime-call-failed`.
 *
 * Cause: whatever the runtime says in its message. Handled by: whoever made the call; a load or a generation ends with it, the engine stays usable.
 */
export class OrtCallError extends GlmError {
  constructor(call: string, ortCode: number, text: string) {
    const failure = `ONNX Runtime's ${call} failed (${codeNames[ortCode] ?? `code ${ortCode}`}): ${text}`;
    const isOutOfMemory = outOfMemoryText.test(text);
    super(
      isOutOfMemory ? 'device-out-of-memory' : 'runtime-call-failed',
      isOutOfMemory
        ? `A device ran out of memory; another process may have taken it since the plan was made. Lower the context length, choose weights with fewer bits, or free memory, then load again. ${failure}`
        : failure,
      { fields: { call, ortCode, text }, next: isOutOfMemory ? [{ label: 'Load again', command: 'glm.reloadModel' }] : [] },
    );
  }
}

/**
 * libonnxruntime could not be loaded.
 *
 * Cause: a wrong path, a platform without a packaged library, or a library that needs others. Handled by: the load request; shown with the place looked at.
 */
export class OrtLibraryError extends GlmError {
  constructor(path: string, reason: string, cause?: unknown) {
    super(
      'runtime-library-not-loaded',
      `ONNX Runtime could not be loaded from ${path}: ${reason} Reinstall the extension, or name a libonnxruntime of version 1.23 or later in the setting glm.ortLibrary (command line: --ort-library).`,
      { fields: { path, reason }, cause },
    );
  }
}

/**
 * The loaded libonnxruntime is older than a function that was called.
 *
 * Cause: the user named a library of their own. Handled by: the load request.
 */
export class OrtTooOldError extends GlmError {
  constructor(call: string, neededApiVersion: number, version: string) {
    super(
      'runtime-too-old',
      `ONNX Runtime ${version} has no ${call}; it came with version 1.${neededApiVersion}. Remove the setting glm.ortLibrary (command line: --ort-library) to use the packaged library, or name a newer one.`,
      { fields: { call, neededApiVersion, version } },
    );
  }
}

/** The runtime reports a terminated run as a plain failure; only its text tells. */
export function isTermination(error: unknown): boolean {
  return error instanceof OrtCallError && /terminate flag/i.test(String(error.fields.text));
}

/** `error` as a cancellation when a load was cancelled on request, else as it is. */
export function loadCancellationAsCancel(error: unknown): unknown {
  const modelLoadCancelled = 12;
  return error instanceof OrtCallError && error.fields.ortCode === modelLoadCancelled ? new CancelledError('Loading the model') : error;
}

/** `error` as a cancellation when the run was terminated on request, else as it is. */
export function terminationAsCancel(error: unknown, what: string): unknown {
  return isTermination(error) ? new CancelledError(what) : error;
}
