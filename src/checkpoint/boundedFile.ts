/** Reading small text files of a checkpoint with a limit, so that a mislabelled weight file is never read as text. */

import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { throwIfAborted } from '../common/errors';
import { formatBytes } from '../common/byteFormat';
import { CheckpointError } from './checkpointError';

export function errorCodeOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null ? ((error as { code?: unknown }).code as string | undefined) : undefined;
}

/** True for errors that mean "nothing is there", a dangling symlink included. */
export function isAbsent(error: unknown): boolean {
  const code = errorCodeOf(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** How the few lines begin that stand for a large file where a repository was cloned without Git LFS. */
export const lfsPointerStart = 'version https://git-lfs.github.com/spec/';

export function lfsPointer(path: string): CheckpointError {
  return new CheckpointError('lfs-pointer', `${basename(path)} is a Git LFS pointer, which only names the file: ${path}. The repository was cloned without Git LFS. Run "git lfs install" and "git lfs pull" in that folder, or download the model with "hf download".`, {
    fields: { path },
    next: [{ label: 'Fetch the files: git lfs pull' }],
  });
}

/**
 * The text of a file, or undefined when there is none.
 * @throws {CheckpointError} `config-too-large` above `maxBytes`, `unreadable` when it is a folder or may not be read.
 */
export async function readTextIfPresent(path: string, maxBytes: number, signal?: AbortSignal): Promise<string | undefined> {
  throwIfAborted(signal, 'Reading the checkpoint');
  try {
    const info = await stat(path);
    if (!info.isFile()) {
      throw new CheckpointError('unreadable', `${basename(path)} is not a file but a ${info.isDirectory() ? 'folder' : 'special file'}: ${path}. Replace it with the file of that name from the model's repository.`, { fields: { path } });
    }
    if (info.size > maxBytes) {
      throw new CheckpointError(
        'config-too-large',
        `${basename(path)} has ${formatBytes(info.size)}, more than the ${formatBytes(maxBytes)} that such a file may have; it is probably something else under this name. Replace it with the file from the model's repository.`,
        { fields: { path, fileBytes: info.size, maxBytes } },
      );
    }
    const file = await open(path, 'r');
    try {
      // The size was checked above, but the file may grow meanwhile: read that many bytes, never "all of it".
      const bytes = Buffer.alloc(info.size);
      let filled = 0;
      while (filled < bytes.length) {
        const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, filled);
        if (bytesRead === 0) {
          break;
        }
        filled += bytesRead;
      }
      const text = bytes.toString('utf8', 0, filled);
      if (text.startsWith(lfsPointerStart)) {
        throw lfsPointer(path);
      }
      return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isAbsent(error)) {
      return undefined;
    }
    if (error instanceof CheckpointError) {
      throw error;
    }
    throw new CheckpointError('unreadable', `${basename(path)} could not be read (${errorCodeOf(error) ?? String(error)}): ${path}. Check the file's permissions and the disk.`, { fields: { path }, cause: error });
  }
}
