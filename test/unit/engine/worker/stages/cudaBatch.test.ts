import { describe, expect, it } from 'vitest';
import { followsBest } from '../../../../../src/engine/worker/stages/cudaBatch';

const before = { slots: [0, 2], lengths: [5, 9], best: () => new Map([[0, 11], [2, 22]]) };
const asked = (tokens: readonly (readonly [number, number])[], lengths: readonly number[]) => ({ slotCount: 4, tokenOf: new Map(tokens), lengths });

describe('followsBest', () => {
  it('is a step on from the best tokens of the same slots', () => {
    expect(followsBest(asked([[0, 11], [2, 22]], [6, 10]), before)).toBe(true);
  });

  it('is not after another token, with another slot, at another position, or before anything was read', () => {
    expect(followsBest(asked([[0, 11], [2, 23]], [6, 10]), before)).toBe(false);
    expect(followsBest(asked([[0, 11], [1, 22]], [6, 10]), before)).toBe(false);
    expect(followsBest(asked([[0, 11]], [6]), before)).toBe(false);
    expect(followsBest(asked([[0, 11], [2, 22]], [6, 4]), before)).toBe(false);
    expect(followsBest(asked([[0, 11], [2, 22]], [6, 10]), { ...before, best: () => undefined })).toBe(false);
    expect(followsBest(asked([[0, 11], [2, 22]], [6, 10]), undefined)).toBe(false);
  });
});
