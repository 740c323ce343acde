/** Keeps the last so many values in constant memory. */

export class RingBuffer<T> {
  private readonly slots: (T | undefined)[];
  /** Counts every push; the next value goes to this position modulo the capacity. */
  private numPushed = 0;

  constructor(readonly capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 1) {
      throw new RangeError(`Expected a capacity of at least 1, got ${capacity}.`);
    }
    this.slots = new Array<T | undefined>(capacity);
  }

  get length(): number {
    return Math.min(this.numPushed, this.capacity);
  }

  /** Adds a value; at full capacity the oldest goes. */
  push(value: T): void {
    this.slots[this.numPushed % this.capacity] = value;
    this.numPushed += 1;
  }

  /** The values, oldest first. */
  toArray(): T[] {
    const first = this.numPushed - this.length;
    return Array.from({ length: this.length }, (_, offset) => this.slots[(first + offset) % this.capacity] as T);
  }

  get last(): T | undefined {
    return this.numPushed === 0 ? undefined : this.slots[(this.numPushed - 1) % this.capacity];
  }

  clear(): void {
    this.slots.fill(undefined);
    this.numPushed = 0;
  }
}
