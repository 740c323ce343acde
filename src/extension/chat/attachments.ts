/** Files and selections that go along with the next question: what is let in, and under which name. Pure. */

import { formatBytes } from '../../common/byteFormat';
import { GlmError } from '../../common/errors';
import type { Attachment } from '../../common/protocol/webview';

export const largestAttachmentBytes = 256 * 1024;
export const largestTotalBytes = 1024 * 1024;

/**
 * The attachments with one more. One of the same name is replaced.
 *
 * @throws {GlmError} `attachment-too-large` | `attachments-too-large` | `attachment-not-text`.
 */
export function addAttachment(existing: readonly Attachment[], added: Attachment): readonly Attachment[] {
  const bytes = Buffer.byteLength(added.text);
  if (bytes > largestAttachmentBytes) {
    throw tooLarge(added.name, bytes);
  }
  const others = existing.filter((item) => item.name !== added.name);
  const total = others.reduce((sum, item) => sum + Buffer.byteLength(item.text), bytes);
  if (total > largestTotalBytes) {
    throw new GlmError(
      'attachments-too-large',
      `With ${added.name} the attachments would hold ${formatBytes(total)}; together they may hold ${formatBytes(largestTotalBytes)}. Remove one, or attach a selection instead of a file.`,
      { fields: { totalBytes: total, limitBytes: largestTotalBytes } },
    );
  }
  return [...others, added];
}

/**
 * Text of a file's bytes.
 *
 * @throws {GlmError} `attachment-not-text` for bytes that are no UTF-8 text, `attachment-too-large`.
 */
export function decodeAttachment(name: string, bytes: Uint8Array): string {
  if (bytes.byteLength > largestAttachmentBytes) {
    throw tooLarge(name, bytes.byteLength);
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    if (!text.includes('\0')) {
      return text;
    }
  } catch {
    // Named below, together with files that hold NUL bytes.
  }
  throw new GlmError('attachment-not-text', `${name} is no UTF-8 text file, and the model reads text only. Choose a text file.`);
}

function tooLarge(name: string, bytes: number): GlmError {
  return new GlmError(
    'attachment-too-large',
    `${name} holds ${formatBytes(bytes)}; a file may hold ${formatBytes(largestAttachmentBytes)}, since all of it is read before the first word of the answer. Attach a selection of it instead.`,
    { fields: { bytes, limitBytes: largestAttachmentBytes } },
  );
}
