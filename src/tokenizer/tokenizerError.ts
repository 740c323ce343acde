import { GlmError, type ErrorFields } from '../common/errors';

/**
 * A tokenizer that cannot be built.
 *
 * Cause: files missing from the checkpoint, damaged, or of a kind that no GLM model uses (`tokenizer-missing`, `tokenizer-broken`, `tokenizer-unsupported`).
 * Handled by: the load dialog and the CLI; the model is not loaded.
 */
export class TokenizerError extends GlmError {
  constructor(kind: 'missing' | 'broken' | 'unsupported', message: string, options: { readonly fields?: ErrorFields; readonly cause?: unknown } = {}) {
    super(`tokenizer-${kind}`, message, { ...options, next: [{ label: "Download the model's tokenizer files again" }] });
  }
}

/**
 * A conversation that the checkpoint's template refuses or cannot render.
 *
 * Cause: the template called raise_exception, uses something that is not supported, or there is none (`template-failed`, `no-chat-template`).
 * Handled by: the chat view, which shows the template's own message; the conversation stays as it is.
 */
export class TemplateError extends GlmError {
  constructor(kind: 'template-failed' | 'no-chat-template', message: string, options: { readonly fields?: ErrorFields; readonly cause?: unknown } = {}) {
    super(kind, message, { ...options, next: [kind === 'no-chat-template' ? { label: 'Use plain completion', terminal: 'glm generate --prompt continues plain text' } : { label: 'Change the message or the system prompt' }] });
  }
}
