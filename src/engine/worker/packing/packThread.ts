/**
 * Entry of the threads that read and write much. A packing thread takes jobs, answers each with the bytes it read and what it wrote, and ends when
 * told; a verifying thread looks at its pieces and answers once. Bundled by itself as dist/packThread.js.
 */

import { openSync } from 'node:fs';
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { jobSourceBytes, runPackJob, type PackJob } from './packJob';
import { loadDigest, type Digest, type PieceDigest } from './pieceDigest';
import { findDamage } from './verifyPacked';

export type PackThreadData = { readonly kind: 'pack'; readonly targetPath: string } | { readonly kind: 'verify'; readonly path: string; readonly pieces: readonly PieceDigest[] };

/** From a packing thread: it is ready for a job (the first time without a piece), or its job failed. */
export type PackThreadMessage = { readonly kind: 'ready'; readonly doneBytes: number; readonly pieces: readonly PieceDigest[] } | { readonly kind: 'failed'; readonly code?: string; readonly message: string };

/** From a verifying thread: where the first damaged piece begins, if there is one. */
export interface VerifyThreadMessage {
  readonly damagedAt?: number;
}

function servePacking(port: MessagePort, targetPath: string, digest: Digest): void {
  const targetFd = openSync(targetPath, 'r+');
  const sources = new Map<string, number>();
  const openSource = (file: string): number => {
    const fd = sources.get(file) ?? openSync(file, 'r');
    sources.set(file, fd);
    return fd;
  };
  port.on('message', (job: PackJob) => {
    try {
      const pieces = runPackJob(job, openSource, targetFd, digest);
      port.postMessage({ kind: 'ready', doneBytes: jobSourceBytes(job), pieces } satisfies PackThreadMessage);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      port.postMessage({ kind: 'failed', code, message } satisfies PackThreadMessage);
    }
  });
  port.postMessage({ kind: 'ready', doneBytes: 0, pieces: [] } satisfies PackThreadMessage);
}

const port = parentPort;
if (port !== null) {
  const data = workerData as PackThreadData;
  void loadDigest().then((digest) => {
    if (data.kind === 'pack') {
      servePacking(port, data.targetPath, digest);
    } else {
      port.postMessage({ damagedAt: findDamage(data.path, data.pieces, digest) } satisfies VerifyThreadMessage);
    }
  });
}
