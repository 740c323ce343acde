/** Keys and values that do not lie where their layers run. */

import type { AlignmentMessage } from '../../common/alignment';
import type { AlignmentFacts } from '../facts';
import { tensorPlaces } from '../tensorPlaces';
import { reportMisplaced } from './misplacedTensor';

/** Past and present are one memory: the inputs tell all. One message per stage, the bytes of its layers added up. */
export function findKvCacheOnCpu(facts: AlignmentFacts): readonly AlignmentMessage[] {
  const places = tensorPlaces(facts, 'kv').filter(({ tensor }) => tensor.direction === 'input');
  return reportMisplaced(facts, 'kv-cache-on-cpu', places, ({ tensor }) => (facts.plan.stages.length === 1 ? 'kv cache' : `kv cache of stage ${tensor.stageIndex + 1}`));
}
