/** Reads a packed file from front to back and holds each piece against its digest: in threads where it is large, so that a load goes on meanwhile. */

import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { CancelledError, throwIfAborted } from '../../../common/errors';
import type { PackedWeights } from './packedFile';
import { PackDamagedError } from './packErrors';
import type { PackThreadData, VerifyThreadMessage } from './packThread';
import { loadDigest, tryReadDigestTable, type Digest, type PieceDigest } from './pieceDigest';

export interface VerifyOptions {
  /** The bundled packing thread; where it does not exist, and for small files, this thread does it. */
  readonly threadFile?: string;
  /** Default: none below 64 MiB, else one for each 2 GiB, at most 8. */
  readonly threads?: number;
  readonly signal?: AbortSignal;
}

/** Below this, starting a thread costs more than it saves. */
const smallFileBytes = 64 * 1024 * 1024;

/** @throws {PackDamagedError | CancelledError} */
export async function verifyPacked({ path, tableOffset }: PackedWeights, { threadFile, threads, signal }: VerifyOptions): Promise<void> {
  const digest = await loadDigest();
  throwIfAborted(signal, 'Checking the packed weights');
  const pieces = readTable(path, tableOffset, digest);
  const threadCount = threads ?? (tableOffset > smallFileBytes ? Math.min(8, Math.ceil(tableOffset / 2 ** 31)) : 0);
  const damagedAt = threadFile !== undefined && threadCount > 0 && existsSync(threadFile) ? await findDamageInThreads(path, pieces, threadFile, threadCount, signal) : await findDamageHere(path, pieces, digest, signal);
  if (damagedAt !== undefined) {
    throw new PackDamagedError(path, damagedAt);
  }
}

function readTable(path: string, tableOffset: number, digest: Digest): readonly PieceDigest[] {
  const fd = openSync(path, 'r');
  try {
    const bytes = new Uint8Array(fstatSync(fd).size - tableOffset);
    const pieces = readFully(fd, bytes, tableOffset) ? tryReadDigestTable(bytes, digest) : undefined;
    if (pieces === undefined) {
      throw new PackDamagedError(path, tableOffset);
    }
    return pieces;
  } finally {
    closeSync(fd);
  }
}

/** A few milliseconds of work. */
const piecesPerTurn = 4;

/** In this thread, giving the event loop a turn now and then. */
async function findDamageHere(path: string, pieces: readonly PieceDigest[], digest: Digest, signal: AbortSignal | undefined): Promise<number | undefined> {
  for (let first = 0; first < pieces.length; first += piecesPerTurn) {
    throwIfAborted(signal, 'Checking the packed weights');
    const damagedAt = findDamage(path, pieces.slice(first, first + piecesPerTurn), digest);
    if (damagedAt !== undefined) {
      return damagedAt;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  return undefined;
}

/** The offset of the first piece whose bytes are not those that were written; a file that can't be read is damaged there. */
export function findDamage(path: string, pieces: readonly PieceDigest[], digest: Digest): number | undefined {
  const fd = openSync(path, 'r');
  try {
    let buffer = new Uint8Array(0);
    return pieces.find(({ offset, byteLength, digest: expected }) => {
      if (buffer.byteLength < byteLength) {
        buffer = new Uint8Array(byteLength);
      }
      const bytes = buffer.subarray(0, byteLength);
      return !readFully(fd, bytes, offset) || digest(bytes) !== expected;
    })?.offset;
  } finally {
    closeSync(fd);
  }
}

function readFully(fd: number, bytes: Uint8Array, offset: number): boolean {
  try {
    for (let done = 0; done < bytes.byteLength; ) {
      const count = readSync(fd, bytes, done, bytes.byteLength - done, offset + done);
      if (count === 0) {
        return false;
      }
      done += count;
    }
    return true;
  } catch {
    return false;
  }
}

async function findDamageInThreads(path: string, pieces: readonly PieceDigest[], threadFile: string, threadCount: number, signal: AbortSignal | undefined): Promise<number | undefined> {
  const share = Math.ceil(pieces.length / threadCount);
  const threads = Array.from({ length: threadCount }, (_, index) => {
    const mine = pieces.slice(index * share, (index + 1) * share);
    return new Worker(threadFile, { workerData: { kind: 'verify', path, pieces: mine } satisfies PackThreadData });
  });
  let onAbort: (() => void) | undefined;
  try {
    const cancelled = new Promise<never>((_, reject) => {
      onAbort = () => reject(new CancelledError('Checking the packed weights'));
      signal?.addEventListener('abort', onAbort, { once: true });
    });
    const found = await Promise.race([cancelled, Promise.all(threads.map(outcomeOf))]);
    return found.find((offset) => offset !== undefined);
  } finally {
    if (onAbort !== undefined) {
      signal?.removeEventListener('abort', onAbort);
    }
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
}

function outcomeOf(thread: Worker): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    thread.on('error', reject);
    thread.on('exit', () => reject(new Error('a thread that checks packed weights ended early')));
    thread.on('message', ({ damagedAt }: VerifyThreadMessage) => resolve(damagedAt));
  });
}
