import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { kernelTimes } from '../../../src/cuda/decode/kernelTimer';

const distance = fc.double({ min: 0, max: 10, noNaN: true });

describe('kernelTimes', () => {
  it('takes what an event takes off each kernel, and leaves no gaps', () => {
    expect(kernelTimes(['a', 'b'], [0.012, 0.003, 0.002, 0.002, 0.9])).toEqual([
      { name: 'a', startMs: 0, durationMs: expect.closeTo(0.01, 9) as number },
      { name: 'b', startMs: expect.closeTo(0.01, 9) as number, durationMs: expect.closeTo(0.001, 9) as number },
    ]);
  });

  it('never gives a negative time, nor more than was measured (property)', () => {
    fc.assert(
      fc.property(fc.array(distance, { maxLength: 20 }), fc.array(distance, { maxLength: 9 }), (kernels, empty) => {
        const times = kernelTimes(
          kernels.map((_, index) => String(index)),
          [...kernels, ...empty],
        );
        times.forEach(({ startMs, durationMs }, index) => {
          expect(durationMs).toBeGreaterThanOrEqual(0);
          expect(durationMs).toBeLessThanOrEqual(kernels[index] as number);
          expect(startMs).toBe(times.slice(0, index).reduce((sum, time) => sum + time.durationMs, 0));
        });
      }),
    );
  });
});
