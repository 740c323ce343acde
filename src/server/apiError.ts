/** Failures in the form that clients of the OpenAI API expect: an HTTP status and `{"error": {message, type, param, code}}`. */

import { GlmError, isGlmError } from '../common/errors';

/**
 * A request that cannot be answered.
 *
 * Cause: the client. Handled by: the client; `param` names the field.
 */
export class ApiError extends GlmError {
  constructor(
    readonly status: number,
    code: string,
    message: string,
    readonly param?: string,
  ) {
    super(code, message, { fields: { status, param } });
  }
}

export function badField(param: string, expected: string): ApiError {
  return new ApiError(400, 'invalid_value', `"${param}" must be ${expected}.`, param);
}

/** Codes of the engine that are the client's doing. */
const clientCodes: ReadonlySet<string> = new Set(['prompt-too-long', 'prompt-empty', 'bad-token-id', 'bad-sampling-option', 'no-chat-template', 'template-failed', 'template-error']);
/** Codes that pass: the model is being loaded, or its process is being restarted. */
const passingCodes: ReadonlySet<string> = new Set(['no-model', 'engine-lost', 'engine-ended']);

export interface ApiFailure {
  readonly status: number;
  readonly body: { readonly error: { readonly message: string; readonly type: string; readonly param: string | null; readonly code: string } };
}

export function toApiFailure(error: unknown): ApiFailure {
  const [status, param] = error instanceof ApiError ? [error.status, error.param] : [statusOf(error), undefined];
  const code = isGlmError(error) ? (error.code === 'prompt-too-long' ? 'context_length_exceeded' : error.code.replaceAll('-', '_')) : 'internal';
  const message = isGlmError(error) ? error.message : 'Unexpected error; see the output of glm serve.';
  return { status, body: { error: { message, type: status < 500 ? 'invalid_request_error' : 'server_error', param: param ?? null, code } } };
}

function statusOf(error: unknown): number {
  if (!isGlmError(error)) {
    return 500;
  }
  return clientCodes.has(error.code) ? 400 : passingCodes.has(error.code) ? 503 : 500;
}
