import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Env } from '../../../src/ort/env';
import { anonymousRanges, hugePageBytes, hugePageParts, moveToHugePages, noteAnonymousMemory, withoutRanges, type AddressRange } from '../../../src/ort/hugePages';
import { HostMemory } from '../../../src/ort/memory';
import { copyFromAddress, copyToAddress } from '../../../src/ort/nativeBytes';

const range = fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 20 })).map(([start, size]): AddressRange => ({ start, end: start + size }));
const holds = (ranges: readonly AddressRange[], at: number): boolean => ranges.some(({ start, end }) => at >= start && at < end);

describe('ranges of memory', () => {
  it('are read from the kernel’s list where nothing is behind them', () => {
    const maps = [
      '55d0a1c00000-55d0a1e00000 r-xp 00000000 fe:00 1234                       /usr/bin/node',
      '55d0a3000000-55d0a3400000 rw-p 00000000 00:00 0                          [heap]',
      '7f1200000000-7f1240000000 rw-p 00000000 00:00 0 ',
      '7f1250000000-7f1250001000 ---p 00000000 00:00 0',
      '7f1260000000-7f1270000000 rw-p 00000000 fe:00 77                         /tmp/weights',
      '',
    ].join('\n');
    expect(anonymousRanges(maps)).toEqual([{ start: 0x7f1200000000, end: 0x7f1240000000 }]);
  });

  it('lose exactly what other ranges hold', () => {
    fc.assert(
      fc.property(fc.array(range, { maxLength: 4 }), fc.array(range, { maxLength: 4 }), (ranges, others) => {
        const left = withoutRanges(ranges, others);
        for (let at = 0; at < 90; at += 1) {
          expect(holds(left, at)).toBe(holds(ranges, at) && !holds(others, at));
        }
      }),
    );
  });

  it('shrink to whole huge pages, and small ones vanish', () => {
    const page = hugePageBytes;
    expect(hugePageParts([{ start: page - 4096, end: 4 * page + 4096 }, { start: 10 * page, end: 11 * page }])).toEqual([{ start: page, end: 4 * page }]);
  });
});

/** MADV_COLLAPSE came with Linux 6.1; some sandboxes have no huge pages at all. */
const canMove = process.platform === 'linux' && Number(/^(\d+\.\d)/.exec(release())?.[1]) >= 6.1 && existsSync('/sys/kernel/mm/transparent_hugepage/enabled');

describe.runIf(canMove)('moveToHugePages', () => {
  it('moves new memory only, keeps its bytes, and tells the truth about how much', async () => {
    const env = Env.open();
    const before = noteAnonymousMemory();
    const hugeBytes = (): number => Number(/^AnonHugePages:\s+(\d+)/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'))?.[1] ?? 0) * 1024;
    const hugeBefore = hugeBytes();
    // More than glibc ever takes from memory that was freed before (32 MiB), which would not be new.
    const bytes = Uint8Array.from({ length: 40 * 1024 * 1024 }, (_, index) => (index * 31) & 255);
    const memory = new HostMemory(env.library, bytes.length);
    copyToAddress(memory.native, bytes);
    const moved = await moveToHugePages(before ?? []);
    expect(moved).toBeGreaterThanOrEqual(32 * 1024 * 1024);
    expect(hugeBytes() - hugeBefore).toBeGreaterThanOrEqual(moved * 0.9);
    expect(moved % hugePageBytes).toBe(0);
    const back = new Uint8Array(bytes.length);
    copyFromAddress(back, memory.native);
    expect(Buffer.compare(back, bytes)).toBe(0);
    expect(await moveToHugePages(noteAnonymousMemory() ?? [])).toBe(0);
    memory.dispose();
    env.dispose();
  });
});
