/** Hidden states from one stage's GPU to the next one's, in stream order: the host queues the copy and never waits for it. */

import { CudaEvent } from '../../../cuda/cudaStream';
import type { CudaStageMemory } from './cudaDevice';

/** Orders copies into `places` buffers of the receiving stage. With two, one is read while the other is written. */
export class CudaHandOver implements Disposable {
  private readonly sent: CudaEvent;
  /** By place: the receiver has read what was there. */
  private readonly read: readonly CudaEvent[];

  constructor(
    private readonly from: CudaStageMemory,
    private readonly to: CudaStageMemory,
    readonly places: number,
  ) {
    to.context.enablePeerAccess(from.context);
    from.context.enablePeerAccess(to.context);
    this.sent = new CudaEvent(from.context);
    this.read = Array.from({ length: places }, () => new CudaEvent(to.context));
  }

  /** Queues the copy after the sender's work so far; the receiver's work queued from now on comes after it. */
  send(toAddress: bigint, fromAddress: bigint, bytes: number, place: number): void {
    this.from.stream.waitFor(this.read[place] as CudaEvent);
    this.from.stream.copy(toAddress, fromAddress, bytes, this.to.context);
    this.from.stream.record(this.sent);
    this.to.stream.waitFor(this.sent);
  }

  /** Tells that the receiver's work so far was the last to read `place`. */
  release(place: number): void {
    this.to.stream.record(this.read[place] as CudaEvent);
  }

  [Symbol.dispose](): void {
    [this.sent, ...this.read].forEach((event) => event[Symbol.dispose]());
  }
}
