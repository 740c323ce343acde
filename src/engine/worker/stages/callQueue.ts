/**
 * The order of a runner's calls: their work is queued one after the other, and waited for beside the calls that follow. Knows nothing of models.
 *
 * Buffers and cache belong to one call at a time, but a GPU works on what has been queued while the next call is being queued.
 */

import { CancelledError, GlmError } from '../../../common/errors';

/** Whether a call that was made before an interrupt is to be given up. */
export type IsGivenUp = () => boolean;

/** What is left to do for a call when its work has been queued: wait and read. */
export type Finish<T> = () => Promise<T>;

export interface CallQueueOptions {
  /** A call begins: what an interrupt broke off earlier is no longer to be broken off. */
  readonly onBegin: () => void;
  /** What a failed call fails with. */
  readonly describe: (error: unknown) => unknown;
}

export class CallQueue {
  private tail: Promise<unknown> = Promise.resolve();
  /** Calls whose work has been queued and is waited for. */
  private readonly finishing = new Set<Promise<unknown>>();
  private interrupts = 0;
  private hasInterrupt = false;
  private closed = false;

  constructor(private readonly options: CallQueueOptions) {}

  get isClosed(): boolean {
    return this.closed;
  }

  /** The call under way is to end at its next opportunity. */
  get isInterrupted(): boolean {
    return this.hasInterrupt;
  }

  /** For work that begins now. */
  untilInterrupt(): IsGivenUp {
    const { interrupts } = this;
    return () => this.interrupts !== interrupts;
  }

  /** Calls that were made until now are given up. */
  interrupt(): void {
    this.hasInterrupt = true;
    this.interrupts += 1;
  }

  /** Waits for `work` before it lets {@link close} end. */
  waitFor<T>(work: Promise<T>): Promise<T> {
    this.finishing.add(work);
    return work.finally(() => this.finishing.delete(work));
  }

  /** Runs a call when the calls before have been queued. @throws {GlmError} `used-after-dispose` */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    if (this.closed) {
      return Promise.reject(new GlmError('used-after-dispose', 'The model has been unloaded.'));
    }
    const result = this.tail.then(async () => {
      if (this.closed) {
        throw new CancelledError('The run');
      }
      this.hasInterrupt = false;
      this.options.onBegin();
      try {
        return await work();
      } catch (error) {
        throw this.options.describe(error);
      }
    });
    this.tail = result.catch(() => undefined);
    return result;
  }

  /** Queues a call's work when the calls before have been queued, then waits for it beside them. */
  async queued<T>(work: (isGivenUp: IsGivenUp) => Promise<Finish<T>>): Promise<T> {
    const finish = await this.exclusive(() => work(this.untilInterrupt()));
    return this.waitFor(finish());
  }

  /** Takes no more calls, and waits for those that were made. */
  async close(): Promise<void> {
    this.closed = true;
    await this.tail.catch(() => undefined);
    await Promise.allSettled(this.finishing);
  }
}
