/** The host's end of the lint thread: starts it when first needed, restarts it after a crash, ends it with the extension. */
import { Worker } from 'node:worker_threads';
import type { Log } from '../../common/log';
import type { LintReply, LintRequest, LintResult, LintWork } from './lintMessages';

interface Waiting {
  readonly resolve: (result: LintResult) => void;
  readonly reject: (error: Error) => void;
}

/** After this many crashes in a row the thread stays down: something in a file kills it each time. */
const maxCrashes = 3;

export class LintWorkerClient {
  private worker: Worker | undefined;
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 1;
  private numCrashes = 0;
  private isDisposed = false;

  constructor(
    private readonly workerPath: string,
    private readonly log: Log,
  ) {}

  /** Rejects when the thread died over it; the next request starts a new one. */
  request(work: LintWork): Promise<LintResult> {
    if (this.isDisposed || this.numCrashes >= maxCrashes) {
      return Promise.resolve({ diagnostics: [], changed: [] });
    }
    const worker = this.start();
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      worker.postMessage({ id, work } satisfies LintRequest);
    });
  }

  dispose(): void {
    this.isDisposed = true;
    void this.worker?.terminate();
    this.worker = undefined;
    this.waiting.forEach(({ resolve }) => resolve({ diagnostics: [], changed: [] }));
    this.waiting.clear();
  }

  private start(): Worker {
    if (this.worker) {
      return this.worker;
    }
    const worker = new Worker(this.workerPath);
    worker.unref();
    worker.on('message', (reply: LintReply) => {
      const waiting = this.waiting.get(reply.id);
      this.waiting.delete(reply.id);
      this.numCrashes = 0;
      if ('result' in reply) {
        waiting?.resolve(reply.result);
      } else {
        waiting?.reject(new Error(reply.error));
      }
    });
    worker.on('error', (error) => this.onCrash(worker, error.message));
    worker.on('exit', (code) => code !== 0 && this.onCrash(worker, `exit code ${code}`));
    this.worker = worker;
    return worker;
  }

  private onCrash(worker: Worker, reason: string): void {
    if (this.worker !== worker) {
      return;
    }
    this.worker = undefined;
    this.numCrashes++;
    this.log.log('error', 'lint', `The lint thread ended: ${reason}${this.numCrashes >= maxCrashes ? '; it stays off until the window is reloaded' : ''}`);
    this.waiting.forEach(({ reject }) => reject(new Error(reason)));
    this.waiting.clear();
  }
}
