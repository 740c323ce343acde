/** A rate held against the copy bandwidth of a device, for people. */

/** Copies by several threads and kernels that only read differ a little; more than that much faster is no sign of a limit but of a cache. */
export const cacheFraction = 1.3;

/** `87 %`; `cached` where the bytes came out of a cache, so that the bandwidth of the memory is no limit and a share of it means nothing. */
export function shareOfCopyText(fraction: number): string {
  return fraction > cacheFraction ? 'cached' : `${Math.round(fraction * 100)} %`;
}
