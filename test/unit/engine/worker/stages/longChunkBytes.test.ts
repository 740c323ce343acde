import { describe, expect, it } from 'vitest';
import { longChunkBytes } from '../../../../../src/engine/worker/stages/longChunkBytes';

const mib = 1024 * 1024;

describe('longChunkBytes', () => {
  it('grows with the tokens of a chunk', () => {
    const near = { tokens: 2, bytes: 2000 };
    expect(longChunkBytes(256, { near, far: { tokens: 16, bytes: 16_000 }, headDim: 128 })).toBe(256_000);
    expect(longChunkBytes(16, { near, far: { tokens: 16, bytes: 16_000 }, headDim: 128 })).toBe(16_000);
  });

  it('lets the scratch of attention grow up to two head widths only', () => {
    const near = { tokens: 2, bytes: 2000 };
    const far = { tokens: 16, bytes: 16_000 + 16 * 500 };
    expect(longChunkBytes(256, { near, far, headDim: 32 })).toBe(256_000 + 64 * 500);
    expect(longChunkBytes(256, { near, far, headDim: 128 })).toBe(256_000 + 256 * 500);
    expect(longChunkBytes(2048, { near, far, headDim: 128 })).toBe(2_048_000 + 256 * 500);
    expect(longChunkBytes(32, { near, far, headDim: 128 })).toBe(32_000 + 32 * 500);
  });

  it('goes by the longer run where the shorter one took more per token', () => {
    expect(longChunkBytes(256, { near: { tokens: 2, bytes: 9000 }, far: { tokens: 16, bytes: 16_000 }, headDim: 128 })).toBe(256_000);
  });

  it('is within a tenth above what models really took', () => {
    // Peaks as measured with two threads, of 2 tokens, of 16 behind 2,032 positions, and of 256 behind many: a 1.5B model and the demo model.
    for (const [near, far, headDim, took] of [
      [0.39, 3.25, 128, 48.25],
      [0.05, 0.633, 32, 7.06],
    ] as const) {
      const bytes = longChunkBytes(256, { near: { tokens: 2, bytes: near * mib }, far: { tokens: 16, bytes: far * mib }, headDim });
      expect(bytes / (took * mib)).toBeGreaterThan(1);
      expect(bytes / (took * mib)).toBeLessThan(1.1);
    }
  });
});
