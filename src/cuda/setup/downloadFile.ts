/** Downloads one file of known sha256: goes on where an earlier attempt stopped, and leaves nothing under the final name that is not whole. */

import { createHash, type Hash } from 'node:crypto';
import { open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { CancelledError, throwIfAborted } from '../../common/errors';
import { httpGet, shown, toDownloadError, type HttpOptions } from './httpClient';
import { DiskFullError, DownloadError, HashMismatchError } from './setupErrors';

export interface DownloadOptions {
  readonly url: string;
  readonly sha256: string;
  readonly byteLength?: number;
  /** Final path; `<to>.part` is used until the hash is right. */
  readonly to: string;
  readonly http: HttpOptions;
  /** Bytes of the file that are on disk now, and in all when known. */
  readonly onProgress?: (doneBytes: number, totalBytes: number | undefined) => void;
  readonly signal?: AbortSignal;
  /** Connections that break one after the other without a byte coming, before it gives up. */
  readonly attempts?: number;
  /** Pause before the second attempt; doubles with each. */
  readonly retryDelayMs?: number;
}

/** @throws {CancelledError} @throws {DownloadError} @throws {DiskFullError} (the part is kept) @throws {HashMismatchError} (the part is deleted) */
export async function downloadFile(options: DownloadOptions): Promise<void> {
  const part = `${options.to}.part`;
  let failures = 0;
  for (;;) {
    throwIfAborted(options.signal, 'The download');
    const before = await sizeOf(part);
    try {
      const actual = await continueDownload(options, part);
      if (actual !== options.sha256) {
        await rm(part, { force: true });
        throw new HashMismatchError(basename(options.to), options.sha256, actual);
      }
      await rename(part, options.to);
      return;
    } catch (error) {
      if (!(error instanceof DownloadError) || error.fields.permanent === 1) {
        throw error;
      }
      failures = (await sizeOf(part)) > before ? 1 : failures + 1;
      if (failures >= (options.attempts ?? 4)) {
        throw error;
      }
      await wait((options.retryDelayMs ?? 1000) * 2 ** (failures - 1), undefined, { signal: options.signal }).catch(() => undefined);
    }
  }
}

/** Fetches what is missing and returns the hash of the whole. */
async function continueDownload(options: DownloadOptions, part: string): Promise<string> {
  const { byteLength } = options;
  let have = await sizeOf(part);
  if (byteLength !== undefined && have > byteLength) {
    await rm(part);
    have = 0;
  }
  const hash = createHash('sha256');
  if (have > 0) {
    await hashFile(part, hash, options.signal);
    if (have === byteLength) {
      return hash.digest('hex');
    }
  }
  const answer = await httpGet(options.url, have > 0 ? { range: `bytes=${have}-` } : {}, options.http, options.signal);
  const { body, status } = answer;
  if (status === 416) {
    // The part is as long as the file, or longer: its hash decides.
    body.resume();
    return hash.digest('hex');
  }
  const isContinued = status === 206 && Number(/^bytes (\d+)-/.exec(answer.headers['content-range'] ?? '')?.[1]) === have;
  if (status !== 200 && !isContinued) {
    body.destroy();
    const isPermanent = status >= 400 && status < 500 && status !== 408 && status !== 429;
    throw new DownloadError(`${shown(answer.url)} answers with status ${status}.`, { url: shown(answer.url), status, ...(isPermanent ? { permanent: 1 } : {}) });
  }
  const whole = isContinued ? hash : createHash('sha256');
  const start = isContinued ? have : 0;
  const total = byteLength ?? totalOf(answer.headers['content-length'], start);
  const file = await openPart(part, isContinued ? 'a' : 'w');
  let done = start;
  try {
    options.onProgress?.(done, total);
    for await (const chunk of body as AsyncIterable<Buffer>) {
      await writeAll(file, chunk, part, total === undefined ? undefined : total - done);
      whole.update(chunk);
      done += chunk.length;
      options.onProgress?.(done, total);
    }
    await file.sync();
  } catch (error) {
    throw error instanceof DiskFullError ? error : toDownloadError(error, answer.url, options.signal);
  } finally {
    body.destroy();
    await file.close();
  }
  if (total !== undefined && done < total) {
    throw new DownloadError(`${answer.url.host} ended the connection after ${done} of ${total} bytes.`, { url: shown(answer.url) });
  }
  return whole.digest('hex');
}

async function writeAll(file: FileHandle, chunk: Buffer, path: string, missingBytes: number | undefined): Promise<void> {
  try {
    await file.writeFile(chunk);
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ENOSPC' ? new DiskFullError(dirname(path), missingBytes, undefined) : error;
  }
}

async function openPart(path: string, flags: 'a' | 'w'): Promise<FileHandle> {
  try {
    return await open(path, flags);
  } catch (error) {
    throw new DownloadError(`${path} cannot be written: ${(error as Error).message}.`, { permanent: 1 }, error);
  }
}

async function hashFile(path: string, hash: Hash, signal: AbortSignal | undefined): Promise<void> {
  const file = await open(path, 'r');
  try {
    for await (const chunk of file.createReadStream({ highWaterMark: 2 ** 20, autoClose: false }) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      if (signal?.aborted) {
        throw new CancelledError('The download');
      }
    }
  } finally {
    await file.close();
  }
}

const sizeOf = async (path: string): Promise<number> => (await stat(path).catch(() => undefined))?.size ?? 0;
const totalOf = (contentLength: string | undefined, start: number): number | undefined => (contentLength === undefined ? undefined : start + Number(contentLength));
