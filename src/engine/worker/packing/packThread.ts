/** Entry of a packing thread: takes jobs, answers each with the bytes it read, and ends when told. Bundled by itself as dist/packThread.js. */

import { openSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { jobSourceBytes, runPackJob, type PackJob } from './packJob';

export interface PackThreadData {
  readonly targetPath: string;
}

/** From a thread: it is ready for a job (the first time with 0 bytes), or its job failed. */
export type PackThreadMessage = { readonly kind: 'ready'; readonly doneBytes: number } | { readonly kind: 'failed'; readonly code?: string; readonly message: string };

const port = parentPort;
if (port !== null) {
  const { targetPath } = workerData as PackThreadData;
  const targetFd = openSync(targetPath, 'r+');
  const sources = new Map<string, number>();
  const openSource = (file: string): number => {
    const fd = sources.get(file) ?? openSync(file, 'r');
    sources.set(file, fd);
    return fd;
  };
  port.on('message', (job: PackJob) => {
    try {
      runPackJob(job, openSource, targetFd);
      port.postMessage({ kind: 'ready', doneBytes: jobSourceBytes(job) } satisfies PackThreadMessage);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      port.postMessage({ kind: 'failed', code, message } satisfies PackThreadMessage);
    }
  });
  port.postMessage({ kind: 'ready', doneBytes: 0 } satisfies PackThreadMessage);
}
