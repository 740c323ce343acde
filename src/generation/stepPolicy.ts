/** What to run next, as a pure function of who waits for what. */

export interface StepState {
  /** Requests in slots whose prompt is not yet in the cache, the earliest first. */
  readonly numPrefilling: number;
  /** Requests that wait for their next token. */
  readonly numDecoding: number;
  readonly lastStep: 'prefill' | 'decode' | 'none';
}

export type Step = 'prefill' | 'decode' | 'idle';

/**
 * One prefill chunk of the earliest joiner, then one decode step for all who are decoding, in turns: running answers wait for at most one chunk,
 * and a joiner is not kept waiting by them. A joiner's chunks are not mixed with another's, so that the earliest is answered first.
 */
export function planStep({ numPrefilling, numDecoding, lastStep }: StepState): Step {
  if (numPrefilling > 0 && numDecoding > 0) {
    return lastStep === 'prefill' ? 'decode' : 'prefill';
  }
  return numPrefilling > 0 ? 'prefill' : numDecoding > 0 ? 'decode' : 'idle';
}
