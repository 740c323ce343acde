/** Gathers the tokens of one generation so that at most one event goes out per interval; the first goes out at once. */

import type { TokenDelta } from '../../common/protocol/engine';

export const deltaIntervalMs = 16;

export type TokenPiece = Omit<TokenDelta, 'generationId'>;

/** Time as the batcher needs it. */
export interface BatchTimer {
  nowMs(): number;
  after(delayMs: number, action: () => void): () => void;
}

export class DeltaBatcher {
  private text = '';
  private ids: number[] = [];
  private last: TokenPiece | undefined;
  private sentMs = -Infinity;
  private cancelTimer: (() => void) | undefined;

  constructor(
    private readonly generationId: string,
    private readonly emit: (delta: TokenDelta) => void,
    private readonly timer: BatchTimer,
  ) {}

  push(piece: TokenPiece): void {
    this.text += piece.text;
    this.ids.push(...piece.ids);
    this.last = piece;
    const waitMs = this.sentMs + deltaIntervalMs - this.timer.nowMs();
    if (waitMs <= 0) {
      this.flush();
    } else {
      this.cancelTimer ??= this.timer.after(waitMs, () => this.flush());
    }
  }

  /** Sends what is held back; called once more at the end of a generation. */
  flush(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    if (this.last === undefined) {
      return;
    }
    this.emit({ generationId: this.generationId, text: this.text, ids: this.ids, generatedTokens: this.last.generatedTokens, elapsedMs: this.last.elapsedMs });
    this.sentMs = this.timer.nowMs();
    this.text = '';
    this.ids = [];
    this.last = undefined;
  }
}
