/**
 * A lock file, so that two windows that load the same checkpoint pack it once.
 *
 * The owner touches it every second; one that has not been touched for a while belonged to a process that died and is taken over.
 */

import { closeSync, openSync, rmSync, statSync, utimesSync, writeSync } from 'node:fs';
import { throwIfAborted } from '../../../common/errors';

const touchEveryMs = 1000;
const staleAfterMs = 10_000;
const pollEveryMs = 100;

export interface PackLock {
  release(): void;
}

/** The lock, or undefined when another process holds it and is alive. @throws {Error} the file system's error when the folder cannot be written. */
export function tryLock(path: string): PackLock | undefined {
  try {
    const fd = openSync(path, 'wx');
    writeSync(fd, `${process.pid}\n`);
    closeSync(fd);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw error;
    }
    if (!isStale(path)) {
      return undefined;
    }
    rmSync(path, { force: true });
    return tryLock(path);
  }
  const timer = setInterval(() => {
    try {
      utimesSync(path, new Date(), new Date());
    } catch {
      // Removed by hand: at worst the work is done twice, and the rename at the end keeps the result whole.
    }
  }, touchEveryMs);
  timer.unref();
  return {
    release: () => {
      clearInterval(timer);
      rmSync(path, { force: true });
    },
  };
}

/** Waits until the lock is free or `isDone` finds the other process's result. @throws {CancelledError} */
export async function waitForLock(path: string, isDone: () => boolean, signal: AbortSignal | undefined): Promise<PackLock | undefined> {
  for (;;) {
    throwIfAborted(signal, 'Packing the weights');
    if (isDone()) {
      return undefined;
    }
    const lock = tryLock(path);
    if (lock !== undefined) {
      return lock;
    }
    await new Promise((resolve) => setTimeout(resolve, pollEveryMs));
  }
}

function isStale(path: string): boolean {
  try {
    return Date.now() - statSync(path).mtimeMs > staleAfterMs;
  } catch {
    return true;
  }
}
