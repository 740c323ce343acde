/** Files that a command writes its result to. What took minutes to measure must not be lost to a path that can't be written. */

import { closeSync, lstatSync, openSync, readlinkSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
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
  try {
    const { target, isPlain } = placeOf(path);
    if (!isPlain && statSync(target, { throwIfNoEntry: false })?.isDirectory() !== true) {
      // To open a pipe and close it again would tell its reader that all has come.
      return;
    }
    const existed = isThere(target);
    closeSync(openSync(target, 'a'));
    if (!existed) {
      rmSync(target);
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
  const { target, isPlain } = placeOf(path);
  const written = isPlain ? `${target}.partial-${process.pid}` : target;
  try {
    // Who may read what was there may read what takes its place, and nobody else.
    const file = openSync(written, 'w', statSync(target, { throwIfNoEntry: false })?.mode);
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

/** A link stays one: what it leads to is written, be it there yet or not. What is no plain file (a pipe, a terminal) or another program's open one (/dev/stdout) is written to as it is. */
function placeOf(path: string): { readonly target: string; readonly isPlain: boolean } {
  if (/^\/(dev|proc)\//.test(path) || statSync(path, { throwIfNoEntry: false })?.isFile() === false) {
    return { target: path, isPlain: false };
  }
  if (isThere(path)) {
    return { target: realpathSync(path), isPlain: true };
  }
  const isLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  return { target: isLink ? resolve(dirname(path), readlinkSync(path)) : path, isPlain: true };
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
