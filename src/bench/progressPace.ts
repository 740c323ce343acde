/** Counts runs and guesses the time left from their pace. */

import { readableLabel } from './loadLabel';

export interface ScenarioProgress {
  readonly label: string;
  readonly phase: 'loading' | 'measuring';
  readonly doneRuns: number;
  readonly totalRuns: number;
  /** From this scenario's own pace; undefined before the first run ended. */
  readonly remainingMs?: number;
}

export class ProgressPace {
  private doneRuns = 0;
  private label = '';
  private measuringSinceMs: number | undefined;
  /** Of the case under way, as far as it was announced. */
  private runsOfCase: number | undefined;

  /** @param totalRuns  Warm-ups included. */
  constructor(
    private totalRuns: number,
    private readonly nowMs: () => number,
    private readonly onProgress: (progress: ScenarioProgress) => void,
  ) {}

  loading(label: string): void {
    this.report(readableLabel(label), 'loading');
  }

  /** @param runs  How many of all runs are this case's, where that may change. */
  start(label: string, runs?: number): void {
    this.measuringSinceMs ??= this.nowMs();
    this.runsOfCase = runs;
    this.report(label, 'measuring');
  }

  /** @param runsOfCase  How many the case has, as is known by now. */
  ran(runsOfCase?: number): void {
    this.doneRuns += 1;
    if (runsOfCase !== undefined && this.runsOfCase !== undefined) {
      this.totalRuns += runsOfCase - this.runsOfCase;
      this.runsOfCase = runsOfCase;
    }
    this.report(this.label, 'measuring');
  }

  /** Runs that were planned and will not be made. */
  skip(runs: number): void {
    this.totalRuns -= runs;
  }

  private report(label: string, phase: ScenarioProgress['phase']): void {
    this.label = label;
    const elapsedMs = this.measuringSinceMs === undefined ? 0 : this.nowMs() - this.measuringSinceMs;
    const remainingMs = this.doneRuns === 0 ? undefined : (elapsedMs / this.doneRuns) * (this.totalRuns - this.doneRuns);
    this.onProgress({ label, phase, doneRuns: this.doneRuns, totalRuns: this.totalRuns, remainingMs });
  }
}
