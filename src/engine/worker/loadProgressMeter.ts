/** Turns the bytes done of a load into progress events: not too many, and with a time left from the load's own pace. */

import type { LoadProgress } from '../../common/protocol/engine';

/** At most one event in this time, besides the first and the last of a phase. */
const intervalMs = 100;
/** No estimate before this much of the phase has passed; a first impression is mostly wrong. */
const minElapsedMs = 500;
const minFraction = 0.02;

export class LoadProgressMeter {
  private phase: LoadProgress['phase'] | undefined;
  private phaseStartedMs = 0;
  private startBytes = 0;
  private sentMs = -Infinity;

  constructor(
    private readonly emit: (progress: LoadProgress) => void,
    private readonly nowMs: () => number,
  ) {}

  report(progress: Omit<LoadProgress, 'remainingMs'>): void {
    const now = this.nowMs();
    const isNewPhase = progress.phase !== this.phase;
    if (isNewPhase) {
      this.phase = progress.phase;
      this.phaseStartedMs = now;
      this.startBytes = progress.doneBytes;
    }
    const isLast = progress.doneBytes >= progress.totalBytes;
    if (isNewPhase || isLast || now - this.sentMs >= intervalMs) {
      this.sentMs = now;
      this.emit({ ...progress, remainingMs: this.estimate(progress, now) });
    }
  }

  private estimate({ doneBytes, totalBytes }: Omit<LoadProgress, 'remainingMs'>, now: number): number | undefined {
    const elapsedMs = now - this.phaseStartedMs;
    const done = doneBytes - this.startBytes;
    if (elapsedMs < minElapsedMs || done <= 0 || done < totalBytes * minFraction) {
      return undefined;
    }
    return Math.max(0, Math.round((elapsedMs * (totalBytes - doneBytes)) / done));
  }
}
