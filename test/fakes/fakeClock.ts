import type { Clock } from '../../src/engine/client/clock';

/** A clock that stands still until a test advances it. */
export class FakeClock implements Clock {
  private now = 0;
  private nextId = 1;
  private readonly timers = new Map<number, { readonly dueMs: number; readonly action: () => void }>();

  nowMs(): number {
    return this.now;
  }

  after(delayMs: number, action: () => void): () => void {
    const id = this.nextId++;
    this.timers.set(id, { dueMs: this.now + delayMs, action });
    return () => this.timers.delete(id);
  }

  /** Runs what becomes due, in order of time, also what that sets up. */
  advance(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const due = [...this.timers].filter(([, timer]) => timer.dueMs <= end).sort((a, b) => a[1].dueMs - b[1].dueMs || a[0] - b[0])[0];
      if (due === undefined) {
        break;
      }
      this.timers.delete(due[0]);
      this.now = due[1].dueMs;
      due[1].action();
    }
    this.now = end;
  }

  get pendingTimers(): number {
    return this.timers.size;
  }
}
