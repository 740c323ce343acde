/** Runs packing jobs: in this thread for small checkpoints, in several for large ones. */

import { closeSync, openSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { CancelledError, throwIfAborted } from '../../../common/errors';
import { jobSourceBytes, runPackJob, type PackJob } from './packJob';
import type { PackThreadData, PackThreadMessage } from './packThread';
import { loadDigest, type PieceDigest } from './pieceDigest';

export interface PackRunOptions {
  readonly signal?: AbortSignal;
  readonly onBytes: (bytes: number) => void;
}

/** Runs the jobs one after the other, giving the event loop a turn between them. @returns what was written. @throws {CancelledError} */
export async function runJobsHere(jobs: readonly PackJob[], targetPath: string, options: PackRunOptions): Promise<readonly PieceDigest[]> {
  const digest = await loadDigest();
  const pieces: PieceDigest[] = [];
  const targetFd = openSync(targetPath, 'r+');
  const sources = new Map<string, number>();
  const openSource = (file: string): number => {
    const fd = sources.get(file) ?? openSync(file, 'r');
    sources.set(file, fd);
    return fd;
  };
  try {
    for (const job of jobs) {
      throwIfAborted(options.signal, 'Packing the weights');
      pieces.push(...runPackJob(job, openSource, targetFd, digest));
      options.onBytes(jobSourceBytes(job));
      await new Promise((resolve) => setImmediate(resolve));
    }
    return pieces;
  } finally {
    [targetFd, ...sources.values()].forEach(closeSync);
  }
}

/** Runs the jobs in threads of their own, each taking the next when it is ready. @returns what was written. @throws {CancelledError} */
export async function runJobsInThreads(jobs: readonly PackJob[], targetPath: string, threadFile: string, threadCount: number, options: PackRunOptions): Promise<readonly PieceDigest[]> {
  throwIfAborted(options.signal, 'Packing the weights');
  const queue = jobs[Symbol.iterator]();
  const threads = Array.from({ length: Math.min(threadCount, jobs.length) }, () => new Worker(threadFile, { workerData: { kind: 'pack', targetPath } satisfies PackThreadData }));
  const pieces: PieceDigest[] = [];
  let onAbort: (() => void) | undefined;
  try {
    const cancelled = new Promise<never>((_, reject) => {
      onAbort = () => reject(new CancelledError('Packing the weights'));
      options.signal?.addEventListener('abort', onAbort, { once: true });
    });
    await Promise.race([cancelled, Promise.all(threads.map((thread) => drain(thread, queue, pieces, options.onBytes)))]);
    return pieces;
  } finally {
    if (onAbort !== undefined) {
      options.signal?.removeEventListener('abort', onAbort);
    }
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
}

/** Feeds one thread until no job is left. */
function drain(thread: Worker, queue: Iterator<PackJob>, pieces: PieceDigest[], onBytes: (bytes: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    thread.on('error', reject);
    thread.on('exit', () => reject(new Error('a packing thread ended early')));
    thread.on('message', (message: PackThreadMessage) => {
      if (message.kind === 'failed') {
        reject(Object.assign(new Error(message.message), { code: message.code }));
        return;
      }
      pieces.push(...message.pieces);
      onBytes(message.doneBytes);
      const next = queue.next();
      if (next.done === true) {
        resolve();
      } else {
        thread.postMessage(next.value);
      }
    });
  });
}
