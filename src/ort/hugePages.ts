/**
 * Huge pages under weights, on Linux. The runtime copies repacked weights into ordinary memory, whose 4 KiB pages end every prefetch;
 * decoding reads all of them for each token.
 */

import { readFileSync } from 'node:fs';
import koffi from 'koffi';

/** Addresses of a process are below 2^47, so a number holds them exactly. */
export interface AddressRange {
  readonly start: number;
  readonly end: number;
}

export const hugePageBytes = 2 * 1024 * 1024;

/** Smaller pieces are not worth a call; stacks and the JavaScript heap are mostly in them. */
const leastBytes = 2 * hugePageBytes;

/** Ranges of private, writable memory without a file or a name behind it, from the text of /proc/PID/maps. */
export function anonymousRanges(maps: string): AddressRange[] {
  return maps.split('\n').flatMap((line) => {
    const found = /^([0-9a-f]+)-([0-9a-f]+) rw-p [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ 0\s*$/.exec(line);
    return found === null ? [] : [{ start: parseInt(found[1] as string, 16), end: parseInt(found[2] as string, 16) }];
  });
}

/** The parts of `ranges` that lie in none of `others`. The kernel joins neighbouring ranges, so what is new may be part of an old one. */
export function withoutRanges(ranges: readonly AddressRange[], others: readonly AddressRange[]): AddressRange[] {
  return others.reduce<readonly AddressRange[]>(
    (left, other) =>
      left.flatMap(({ start, end }) =>
        [
          { start, end: Math.min(end, other.start) },
          { start: Math.max(start, other.end), end },
        ].filter((part) => part.start < part.end),
      ),
    ranges,
  ) as AddressRange[];
}

/** What whole huge pages can cover, of ranges that are large enough. */
export function hugePageParts(ranges: readonly AddressRange[]): AddressRange[] {
  return ranges
    .map(({ start, end }) => ({ start: Math.ceil(start / hugePageBytes) * hugePageBytes, end: Math.floor(end / hugePageBytes) * hugePageBytes }))
    .filter(({ start, end }) => end - start >= leastBytes);
}

/** This process's anonymous memory; undefined where the system does not tell. */
export function noteAnonymousMemory(): readonly AddressRange[] | undefined {
  try {
    return process.platform === 'linux' ? anonymousRanges(readFileSync('/proc/self/maps', 'utf8')) : undefined;
  } catch {
    return undefined;
  }
}

// linux/mman.h, since 6.1: replaces the pages at once, whatever the system's setting for new memory.
const adviceCollapse = 25;

let libraryHandle: ReturnType<typeof koffi.load> | undefined;

/**
 * Puts anonymous memory that came since `before` onto huge pages, as far as the kernel finds any: about 0.3 s for a gigabyte, on a worker thread.
 *
 * @returns Bytes in ranges that the kernel took as a whole; 0 where it is too old or forbids it.
 */
export async function moveToHugePages(before: readonly AddressRange[]): Promise<number> {
  const parts = hugePageParts(withoutRanges(noteAnonymousMemory() ?? [], before));
  if (parts.length === 0) {
    return 0;
  }
  // Held for good: koffi unloads a library whose handle is collected.
  const madvise = (libraryHandle ??= koffi.load(null)).func('madvise', 'int', ['uintptr_t', 'size_t', 'int']);
  let movedBytes = 0;
  for (const { start, end } of parts) {
    const failed = await new Promise<boolean>((resolve) => {
      madvise.async(start, end - start, adviceCollapse, (error: Error | null, result: number) => resolve(error !== null || result !== 0));
    });
    movedBytes += failed ? 0 : end - start;
  }
  return movedBytes;
}
