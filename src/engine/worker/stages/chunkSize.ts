/** How many tokens of a prompt one run takes. Long chunks fill a large GPU; on a small one a cancel, and whoever waits, would wait for them. */

/** A chunk twice as long then takes at most about as long as a cancel may wait. */
const growBelowMs = 200;

export class ChunkSize {
  private current: number;

  /** @param first  Where to begin, when chunks shall grow with the device's speed; absent: at `most`. */
  constructor(
    private most: number,
    first = most,
  ) {
    this.current = Math.min(first, most);
  }

  get tokens(): number {
    return this.current;
  }

  /** What it may grow to. */
  get mostTokens(): number {
    return this.most;
  }

  /** From now on at most so many. */
  limit(tokens: number): void {
    this.most = Math.min(this.most, tokens);
    this.current = Math.min(this.current, this.most);
  }

  /** A chunk of `tokens` took `elapsedMs`: after a whole one that was fast, the next is twice as long. */
  note(tokens: number, elapsedMs: number): void {
    if (tokens === this.current && elapsedMs < growBelowMs) {
      this.current = Math.min(2 * this.current, this.most);
    }
  }
}
