/** How many positions each slot of the KV cache holds. Pure bookkeeping: what lies in the cache is the stages' concern. */

import { GlmError } from '../../../common/errors';

export class SlotLengths {
  private readonly lengths: number[];

  constructor(
    numSlots: number,
    private readonly contextTokens: number,
  ) {
    this.lengths = new Array<number>(numSlots).fill(0);
  }

  /** Slot by slot. */
  get all(): readonly number[] {
    return this.lengths;
  }

  /** @throws {RangeError} when there is no such slot. */
  of(slot: number): number {
    const length = this.lengths[slot];
    if (length === undefined) {
      throw new RangeError(`slot ${slot} of ${this.lengths.length}`);
    }
    return length;
  }

  grow(slot: number, tokens: number): void {
    this.lengths[slot] = this.of(slot) + tokens;
  }

  /** @throws {RangeError} when the slot holds fewer positions. */
  rewindTo(slot: number, length: number): void {
    if (!Number.isInteger(length) || length < 0 || length > this.of(slot)) {
      throw new RangeError(`cannot rewind slot ${slot} to ${length}; it holds ${this.of(slot)} positions`);
    }
    this.lengths[slot] = length;
  }

  /** As it was before a call that was given up. */
  restore(slot: number, length: number): void {
    this.lengths[slot] = length;
  }

  /** Takes whatever lies in an empty slot for so many positions. @throws {RangeError} when the slot is not empty, or that is no length of a context. */
  assume(slot: number, length: number): void {
    if (this.of(slot) !== 0 || length > this.contextTokens) {
      throw new RangeError(`slot ${slot} of ${this.of(slot)} positions cannot be taken for one of ${length}`);
    }
    this.lengths[slot] = length;
  }

  /** @throws {GlmError} `context-full`. */
  assertRoom(slot: number, tokens: number): void {
    const length = this.of(slot);
    if (length + tokens > this.contextTokens) {
      throw new GlmError('context-full', `The context of ${this.contextTokens} tokens is full: ${length} are in use and ${tokens} more do not fit. Start a new chat, or load the model with a longer context.`, {
        fields: { contextTokens: this.contextTokens, usedTokens: length, tokens },
      });
    }
  }
}
