/** Ownership of native handles: one owner, disposing twice is harmless, use afterwards throws by name. */

import { GlmError } from '../common/errors';

/** A native handle that its owner releases exactly once. */
export abstract class Handle implements Disposable {
  private pointer: bigint;

  protected constructor(
    private readonly kind: string,
    pointer: bigint,
    private readonly release: (pointer: bigint) => void,
  ) {
    this.pointer = pointer;
  }

  /** The native pointer. @throws when the handle has been disposed. */
  get native(): bigint {
    if (this.pointer === 0n) {
      throw new GlmError('used-after-dispose', `${this.kind} was used after it had been disposed. This is a mistake in GLM Local; please report it.`);
    }
    return this.pointer;
  }

  get isDisposed(): boolean {
    return this.pointer === 0n;
  }

  dispose(): void {
    const pointer = this.pointer;
    this.pointer = 0n;
    if (pointer !== 0n) {
      this.release(pointer);
    }
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
