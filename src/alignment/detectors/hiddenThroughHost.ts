/** Hidden states that go from one GPU to another by way of host memory. */

import type { AlignmentMessage } from '../../common/alignment';
import type { AlignmentFacts } from '../facts';
import { tensorPlaces } from '../tensorPlaces';
import { reportMisplaced } from './misplacedTensor';

/** Looks at the reading side of each border; a stage that itself is on the CPU reads there rightly. */
export function findHiddenThroughHost(facts: AlignmentFacts): readonly AlignmentMessage[] {
  const places = tensorPlaces(facts, 'hidden').filter(({ tensor }) => tensor.direction === 'input');
  return reportMisplaced(facts, 'hidden-state-through-host', places, ({ tensor }) => `the hidden state into stage ${tensor.stageIndex + 1}`);
}
