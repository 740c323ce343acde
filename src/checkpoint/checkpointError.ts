import { GlmError, type ErrorFields, type NextStep } from '../common/errors';

/** Every way a checkpoint can be wrong. The error's code is `checkpoint-` followed by the reason. */
export type CheckpointReason =
  | 'not-found'
  | 'not-a-folder'
  | 'unreadable'
  | 'no-config'
  | 'config-too-large'
  | 'config-not-json'
  | 'no-safetensors'
  | 'index-not-json'
  | 'index-malformed'
  | 'index-bad-path'
  | 'shard-missing'
  | 'download-incomplete'
  | 'lfs-pointer'
  | 'truncated'
  | 'header-too-large'
  | 'header-not-json'
  | 'header-too-deep'
  | 'duplicate-name'
  | 'bad-entry'
  | 'unknown-dtype'
  | 'bad-shape'
  | 'bad-offsets'
  | 'gap-or-overlap'
  | 'size-mismatch'
  | 'tensor-missing';

/**
 * A checkpoint that cannot be used as it is.
 *
 * Cause: a folder that is not there or not complete, or a file whose contents contradict themselves.
 * Handled by: the load dialog and the CLI, which show the message and the next steps; nothing is retried.
 */
export class CheckpointError extends GlmError {
  readonly reason: CheckpointReason;

  constructor(reason: CheckpointReason, message: string, options: { readonly fields?: ErrorFields; readonly next?: readonly NextStep[]; readonly cause?: unknown } = {}) {
    super(`checkpoint-${reason}`, message, { ...options, fields: { reason, ...options.fields } });
    this.reason = reason;
  }
}

/** The step that mends most damaged files: fetch them again. */
export function downloadAgain(name: string | undefined): readonly NextStep[] {
  return [{ label: name?.includes('/') ? `Download it again: hf download ${name}` : 'Copy or download the file again' }];
}
