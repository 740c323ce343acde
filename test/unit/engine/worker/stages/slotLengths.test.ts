import { describe, expect, it } from 'vitest';
import { SlotLengths } from '../../../../../src/engine/worker/stages/slotLengths';

describe('SlotLengths', () => {
  it('grows and rewinds each slot for itself', () => {
    const lengths = new SlotLengths(2, 8);
    lengths.grow(0, 5);
    lengths.grow(1, 2);
    lengths.rewindTo(0, 3);
    expect(lengths.all).toEqual([3, 2]);
  });

  it.each([-1, 4, 1.5, NaN])('rewinds a slot of 3 positions to no %d', (length) => {
    const lengths = new SlotLengths(1, 8);
    lengths.grow(0, 3);
    expect(() => lengths.rewindTo(0, length)).toThrow(RangeError);
    expect(lengths.of(0)).toBe(3);
  });

  it('knows no slot beyond its last', () => {
    expect(() => new SlotLengths(2, 8).of(2)).toThrow('slot 2 of 2');
  });

  it('takes only an empty slot for a filled one, and at most for a full one', () => {
    const lengths = new SlotLengths(1, 8);
    expect(() => lengths.assume(0, 9)).toThrow(RangeError);
    lengths.assume(0, 8);
    expect(() => lengths.assume(0, 4)).toThrow(RangeError);
  });

  it('has room up to the last position of the context', () => {
    const lengths = new SlotLengths(1, 8);
    lengths.grow(0, 6);
    lengths.assertRoom(0, 2);
    expect(() => lengths.assertRoom(0, 3)).toThrow(expect.objectContaining({ code: 'context-full', fields: { contextTokens: 8, usedTokens: 6, tokens: 3 } }) as Error);
  });
});
