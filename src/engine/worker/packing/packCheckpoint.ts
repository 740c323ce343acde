/** Packs a checkpoint's weights once, in parallel, into a cache that survives crashes, full disks and a second window. */

import { appendFileSync, closeSync, existsSync, fsyncSync, ftruncateSync, openSync, readdirSync, realpathSync, renameSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import type { TensorInfo } from '../../../common/dtype';
import { CancelledError, throwIfAborted } from '../../../common/errors';
import type { LoadProgress } from '../../../common/protocol/engine';
import type { GlmConfig } from '../../../model/config';
import type { Precision } from '../../../model/precision';
import { checkpointIdentity, describePacked, packedHeader, tryOpenPacked, type PackedHeader, type PackedWeights } from './packedFile';
import { PackFolderError, PackSpaceError, wordPackError } from './packErrors';
import { jobSourceBytes } from './packJob';
import { makeFolder } from './makeFolder';
import { waitForLock } from './packLock';
import { packVersion, planPacking, sourceFiles, type PackPlan } from './packPlan';
import { loadDigest, writeDigestTable } from './pieceDigest';
import { removeOutdated } from './removeOutdated';
import { runJobsHere, runJobsInThreads } from './packRunner';

export interface PackOptions {
  readonly cacheFolder: string;
  /** The bundled thread; where it does not exist (tests, small checkpoints) packing happens in this thread. */
  readonly threadFile?: string;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: LoadProgress) => void;
}

/** Below this much to read, starting threads costs more than it saves. */
const smallSourceBytes = 64 * 1024 * 1024;

/**
 * The packed weights of a checkpoint in one precision: from the cache, or made now.
 *
 * @throws {PackSpaceError | PackFolderError | PackSourceError | CancelledError} after removing what was begun.
 */
export async function packCheckpoint(config: GlmConfig, tensors: ReadonlyMap<string, TensorInfo>, precision: Precision, options: PackOptions): Promise<PackedWeights> {
  const plan = planPacking(config, tensors, precision);
  const files = sourceFiles(config, tensors);
  const identity = checkpointIdentity(config, files);
  const source = dirname(files[0] ?? '');
  const header = packedHeader(plan, identity, source);
  let folder = join(options.cacheFolder, `packed-v${packVersion}`);
  const neededBytes = plan.dataBytes;
  try {
    makeCacheFolder(folder);
    // The runtime refuses external data behind symbolic links that leave their folder, so the real one is used from here on.
    folder = realpathSync(folder);
    const path = join(folder, `${identity}-${plan.format}.glmpack`);
    let found = tryOpenPacked(path, plan, header);
    if (found !== undefined) {
      return found;
    }
    const isDone = (): boolean => (found = tryOpenPacked(path, plan, header)) !== undefined;
    const lock = await waitForLock(`${path}.lock`, isDone, options.signal);
    if (lock === undefined) {
      return found as unknown as PackedWeights;
    }
    try {
      const packed = await writePacked(path, folder, plan, header, options);
      removeOutdated(options.cacheFolder, folder, { path, source, format: plan.format });
      return packed;
    } finally {
      lock.release();
    }
  } catch (error) {
    throw error instanceof CancelledError ? error : wordPackError(error, folder, neededBytes, tryFreeBytes(folder));
  }
}

/** Here "no such file or directory" is about the folder, not about the checkpoint. */
function makeCacheFolder(folder: string): void {
  try {
    makeFolder(folder);
  } catch (error) {
    throw (error as { readonly code?: unknown }).code === 'ENOENT' ? new PackFolderError(folder, error) : error;
  }
}

async function writePacked(path: string, folder: string, plan: PackPlan, header: PackedHeader, options: PackOptions): Promise<PackedWeights> {
  removeAbandoned(folder, path);
  const totalFileBytes = header.dataOffset + plan.dataBytes;
  const freeBytes = tryFreeBytes(folder);
  if (freeBytes !== undefined && freeBytes < totalFileBytes) {
    throw new PackSpaceError(folder, totalFileBytes, freeBytes);
  }
  const jobs = plan.jobs(header.dataOffset);
  const totalBytes = jobs.reduce((sum, job) => sum + jobSourceBytes(job), 0);
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const fd = openSync(temporary, 'w');
    try {
      ftruncateSync(fd, totalFileBytes);
      writeSync(fd, header.bytes, 0, header.bytes.byteLength, 0);
    } finally {
      closeSync(fd);
    }
    const onBytes = trackProgress(totalBytes, options.onProgress);
    const { threadFile, signal } = options;
    const pieces = await (threadFile !== undefined && totalBytes > smallSourceBytes && existsSync(threadFile)
      ? runJobsInThreads(jobs, temporary, threadFile, options.threads ?? availableParallelism(), { signal, onBytes })
      : runJobsHere(jobs, temporary, { signal, onBytes }));
    throwIfAborted(signal, 'Packing the weights');
    appendFileSync(temporary, writeDigestTable(pieces, await loadDigest()));
    syncFile(temporary);
    renameSync(temporary, path);
    return describePacked(path, plan, header.dataOffset, true);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Reports bytes and, once there is a pace to judge by, the time left. */
function trackProgress(totalBytes: number, onProgress: PackOptions['onProgress']): (bytes: number) => void {
  const startedMs = performance.now();
  let doneBytes = 0;
  return (bytes) => {
    doneBytes += bytes;
    const elapsedMs = performance.now() - startedMs;
    const remainingMs = doneBytes > 0 && elapsedMs > 500 ? (elapsedMs / doneBytes) * (totalBytes - doneBytes) : undefined;
    onProgress?.({ phase: 'packing', doneBytes, totalBytes, remainingMs });
  };
}

function syncFile(path: string): void {
  const fd = openSync(path, 'r+');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Temporary files of processes that died while packing the same thing. We hold the lock, so none of them is in use. */
function removeAbandoned(folder: string, path: string): void {
  for (const name of readdirSync(folder)) {
    const candidate = join(folder, name);
    if (candidate.startsWith(`${path}.`) && candidate.endsWith('.tmp')) {
      rmSync(candidate, { force: true });
    }
  }
}

function tryFreeBytes(folder: string): number | undefined {
  try {
    statSync(folder);
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}
