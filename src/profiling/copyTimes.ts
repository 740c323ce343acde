/** Puts the times that copies took in recorded requests beside the copies of a placement. */

import type { GenerationProfile, PlacementMap } from '../common/profile';
import { median } from './nodeTimes';

/** A copy between two devices gets the median of what one token's took in the last request that had any; steps of several tokens say nothing about one. */
export function withCopyTimes(placement: PlacementMap, generations: readonly GenerationProfile[]): PlacementMap {
  const last = generations.filter(({ spans }) => spans.some(({ kind, tokens }) => kind === 'copy' && tokens === 1)).at(-1);
  if (last === undefined) {
    return placement;
  }
  const copies = placement.copies.map((copy) => {
    const times = last.spans.flatMap(({ kind, tokens, from, to, durationMs }) => (kind === 'copy' && tokens === 1 && from === copy.from && to === copy.to ? [durationMs] : []));
    return times.length === 0 ? copy : { ...copy, msPerToken: median(times) };
  });
  return { ...placement, copies };
}
