/** Time as the client needs it, so that tests can advance it. */
export interface Clock {
  /** Monotonic milliseconds from an arbitrary start. */
  nowMs(): number;
  /** Calls `action` once after `delayMs`; the returned function prevents it. Never keeps the process alive. */
  after(delayMs: number, action: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after(delayMs, action) {
    const timer = setTimeout(action, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
