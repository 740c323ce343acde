/** What the stages of a loaded model are made of, as far as a profile tells of it. */

import type { PlacedPart, PlacementMap, StageCopy } from '../../../common/profile';

export interface StageFacts {
  /** In the order of the model, without times. */
  readonly parts: readonly PlacedPart[];
  readonly copies: readonly StageCopy[];
  /** As the runtime assigned them; empty where it does not tell. */
  readonly nodes: PlacementMap['nodes'];
  /** Bytes that each further sequence takes besides keys and values, by device. */
  readonly bytesPerSequence: ReadonlyMap<string, number>;
}
