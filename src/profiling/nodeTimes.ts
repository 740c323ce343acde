/** Times of nodes over the steps of a profile. */

import type { OperatorProfile } from '../common/profile';

/** Median time of each node over the steps in which it ran; undefined for one that never did. */
export function medianNodeUs({ nodes, steps, durationsUs }: Pick<OperatorProfile, 'nodes' | 'steps' | 'durationsUs'>): readonly (number | undefined)[] {
  const values = new Float64Array(steps.length);
  return nodes.map((_, node) => {
    let count = 0;
    for (let step = 0; step < steps.length; step += 1) {
      const us = durationsUs[step * nodes.length + node] ?? -1;
      if (us >= 0) {
        values[count] = us;
        count += 1;
      }
    }
    return count === 0 ? undefined : median(values.subarray(0, count));
  });
}

/** Reorders `values`. @returns NaN for none. */
export function median(values: Float64Array | number[]): number {
  const sorted = values instanceof Float64Array ? values.sort() : values.sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
