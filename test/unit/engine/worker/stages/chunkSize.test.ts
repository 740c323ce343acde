import { describe, expect, it } from 'vitest';
import { ChunkSize } from '../../../../../src/engine/worker/stages/chunkSize';

describe('ChunkSize', () => {
  it('stays where it is without a place to begin', () => {
    const size = new ChunkSize(512);
    size.note(512, 1);
    expect(size.tokens).toBe(512);
  });

  it('doubles after whole chunks that were fast, up to the most', () => {
    const size = new ChunkSize(1500, 512);
    const after = (tokens: number, elapsedMs: number): number => {
      size.note(tokens, elapsedMs);
      return size.tokens;
    };
    expect([after(512, 250), after(100, 5), after(512, 110), after(512, 110), after(1024, 180), after(1500, 1)]).toEqual([512, 512, 1024, 1024, 1500, 1500]);
  });

  it('never grows past a limit that was set later, nor begins past the most', () => {
    const size = new ChunkSize(2048, 512);
    size.limit(16);
    size.note(16, 1);
    expect(size.tokens).toBe(16);
    expect(new ChunkSize(64, 512).tokens).toBe(64);
  });
});
