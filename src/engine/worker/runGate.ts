/** Lets many generations run together, but a request that takes the runner for itself only alone, in the order asked. */
export class RunGate {
  private tail: Promise<unknown> = Promise.resolve();
  private readonly running = new Set<Promise<unknown>>();

  /** Runs beside other shared work, after exclusive work that was asked for earlier. */
  async shared<T>(work: () => Promise<T>): Promise<T> {
    const before = this.tail;
    const result = before.then(work, work);
    const settled = result.catch(() => undefined);
    this.running.add(settled);
    void settled.then(() => this.running.delete(settled));
    return result;
  }

  /** Runs when everything asked for earlier has ended; later work waits for it. */
  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    const before = Promise.all([this.tail, ...this.running]);
    const result = before.then(work, work);
    this.tail = result.catch(() => undefined);
    return result;
  }
}
