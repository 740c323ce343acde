/**
 * Work on one GPU in the order in which it was given, without waiting for it: copies, and events by which other streams and the host learn how far it is.
 *
 * The host only queues; whatever two pieces of work share is safe as long as both are on the same stream, or one stream waits for the other's event.
 */

import koffi from 'koffi';
import type { CudaContext } from './cudaContext';

const notReady = 600;
const eventFlags = { ordering: 2, timing: 0 } as const;

/**
 * Waits for what a device reaches and lets the event loop turn meanwhile: it asks again after each turn, which answers within microseconds and keeps one core
 * busy, as the driver's own waiting does.
 *
 * @returns false when `isGivenUp` came true before.
 */
export async function turnUntil(isReached: () => boolean, isGivenUp: () => boolean = () => false): Promise<boolean> {
  while (!isReached()) {
    if (isGivenUp()) {
      return false;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  return true;
}

/** A point in a stream. Recording it again moves it; who waits already keeps waiting for the earlier point. */
export class CudaEvent implements Disposable {
  private handle: unknown;

  /** @param use  `timing` events carry the device's clock, which makes recording them slower. */
  constructor(
    readonly context: CudaContext,
    use: keyof typeof eventFlags = 'ordering',
  ) {
    const out: unknown[] = [null];
    context.enter();
    context.driver.call('cuEventCreate', out, eventFlags[use]);
    this.handle = out[0];
  }

  get native(): unknown {
    return this.handle;
  }

  /** Whether the stream has come past this point. True as well when it was never recorded. */
  isReached(): boolean {
    const status = this.context.driver.status('cuEventQuery', this.handle);
    if (status === notReady) {
      return false;
    }
    this.context.driver.check('cuEventQuery', status);
    return true;
  }

  /** Milliseconds on the device's clock from `earlier`, of the same device; both were made for timing and have been reached. */
  msSince(earlier: CudaEvent): number {
    const out = [0];
    this.context.enter();
    this.context.driver.call('cuEventElapsedTime', out, earlier.native, this.native);
    return out[0] ?? 0;
  }

  [Symbol.dispose](): void {
    if (this.handle !== undefined) {
      this.context.enter();
      this.context.driver.call('cuEventDestroy_v2', this.handle);
      this.handle = undefined;
    }
  }
}

/** Owns a stream. Everything queued runs after what was queued before; nothing here waits. */
export class CudaStream implements Disposable {
  private handle: unknown;

  constructor(readonly context: CudaContext) {
    this.handle = context.createStream();
  }

  get native(): unknown {
    return this.handle;
  }

  /** For libraries that are told the stream by number. */
  get address(): bigint {
    return koffi.address(this.handle);
  }

  /** Copies a small array to the device. It may be changed as soon as this returns: the driver takes pageable memory's bytes along. */
  upload(to: bigint, from: ArrayBufferView): void {
    // V8 keeps small typed arrays inside its moving heap until their buffer is asked for; from then on their bytes stay where they are.
    void from.buffer;
    this.context.enter();
    this.context.driver.call('cuMemcpyHtoDAsync_v2', to, koffi.address(from), from.byteLength, this.handle);
  }

  /** Copies to a place on the same device or, when `toContext` is another's, there. */
  copy(to: bigint, from: bigint, bytes: number, toContext: CudaContext = this.context): void {
    this.context.enter();
    if (toContext.ordinal === this.context.ordinal) {
      this.context.driver.call('cuMemcpyDtoDAsync_v2', to, from, bytes, this.handle);
    } else {
      this.context.driver.call('cuMemcpyPeerAsync', to, toContext.current(), from, this.context.current(), bytes, this.handle);
    }
  }

  /** Marks the point after what has been queued. The event must be of the same device. */
  record(event: CudaEvent): void {
    this.context.enter();
    this.context.driver.call('cuEventRecord', event.native, this.handle);
  }

  /** What is queued from now on starts only when `event`, of any device, has been reached. */
  waitFor(event: CudaEvent): void {
    this.context.enter();
    this.context.driver.call('cuStreamWaitEvent', this.handle, event.native, 0);
  }

  /** Waits for everything queued. */
  synchronize(): void {
    this.context.waitForStreamNow(this.handle);
  }

  [Symbol.dispose](): void {
    if (this.handle !== undefined) {
      this.context.destroyStream(this.handle);
      this.handle = undefined;
    }
  }
}
