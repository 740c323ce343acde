/** What the loop tells about where a request's time goes; a request that is not profiled has none of this. */

import type { PhaseKind } from '../common/profile';

/** Phases follow each other and do not overlap. The recorder has the clock. */
export interface PhaseTrace {
  /**
   * A phase begins; one that was open ends here.
   *
   * @param isShared  Whether others were served since the last phase ended: then the time between counts as waiting, else it belongs to the phase that begins.
   */
  begin(kind: Exclude<PhaseKind, 'copy'>, isShared: boolean, tokens?: number): void;
  end(): void;
}
