/** Files that a command writes its result to. What took minutes to measure must not be lost to a path that can't be written. */

import { closeSync, openSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { UsageError } from './command';

/**
 * Before anything is measured: tells whether `path` can be written, without touching what is there.
 *
 * @throws {UsageError}
 */
export function assertWritable(option: string, path: string | undefined): void {
  if (path === undefined) {
    return;
  }
  const existed = isThere(path);
  try {
    closeSync(openSync(path, 'a'));
    if (!existed) {
      rmSync(path);
    }
  } catch (error) {
    throw new UsageError(`${option}: ${whyUnwritable(path, error)}`);
  }
}

/**
 * Writes the whole file or leaves what was there: under a name beside it, which then takes its place. Piece by piece, since a trace of thousands of
 * steps is longer than a string can be.
 *
 * @returns why it could not be written, in words; undefined when it was.
 */
export function tryWriteFile(path: string, pieces: Iterable<string>): string | undefined {
  // A link stays one, and what is no plain file (a pipe, /dev/stdout) is written to as it is.
  const target = isThere(path) ? realpathSync(path) : path;
  const isPlain = !isThere(target) || statSync(target).isFile();
  const written = isPlain ? `${target}.partial-${process.pid}` : target;
  try {
    const file = openSync(written, 'w');
    try {
      for (const piece of pieces) {
        writeFileSync(file, piece);
      }
    } finally {
      closeSync(file);
    }
    if (isPlain) {
      renameSync(written, target);
    }
    return undefined;
  } catch (error) {
    if (isPlain) {
      rmSync(written, { force: true });
    }
    return whyUnwritable(path, error);
  }
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function whyUnwritable(path: string, error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return `${path} can't be written: there is no folder ${dirname(path)}. Make it, or name another place.`;
    case 'EISDIR':
      return `${path} can't be written: it is a folder. Name a file in it.`;
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `${path} can't be written: that is not allowed there. Name another place.`;
    case 'ENOSPC':
    case 'EDQUOT':
      return `${path} can't be written: the disk is full. Free some space, or name another place.`;
    default:
      return `${path} can't be written: ${message}.`;
  }
}
