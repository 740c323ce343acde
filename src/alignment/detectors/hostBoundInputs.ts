/** Ids, positions, lengths or logits that cross the border at every step although their reader is elsewhere: the article's own bug. */

import type { AlignmentMessage } from '../../common/alignment';
import type { AlignmentFacts } from '../facts';
import { tensorPlaces } from '../tensorPlaces';
import { reportMisplaced } from './misplacedTensor';

export function findHostBoundInputs(facts: AlignmentFacts): readonly AlignmentMessage[] {
  return reportMisplaced(facts, 'host-bound-inputs', tensorPlaces(facts, 'step'), ({ tensor }) => tensor.name);
}
