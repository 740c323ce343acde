/** Where jumps out of a loop or function leave their state. */
import type { State } from './state';
import type { Value } from './values';

export interface Flow {
  readonly kind: 'loop' | 'function';
  readonly base: State;
  readonly ends: State[];
  readonly results: Value[];
  readonly yields: Value[];
}
