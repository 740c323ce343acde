import { describe, expect, it } from 'vitest';
import { KvMagnitudes, kvHeadroom } from '../../../src/model/kvScales';

const shape = { numLayers: 1, numKvHeads: 2, headDim: 4, rotaryDim: 2 };
/** Two positions of two heads. */
const key = Float32Array.of(3, 4, -1, 0.5, 0, 0, 2, 0, 1, 0, 0, 0, 0, -2, 0, 8);
const value = Float32Array.from(key, (each) => each / 2);

describe('KvMagnitudes', () => {
  it('gives both channels of a rotated pair of keys the length of the pair, and every other channel its own', () => {
    const magnitudes = new KvMagnitudes(shape);
    magnitudes.add(0, { key, value });
    const [scales] = magnitudes.scales();
    const steps = (numbers: readonly number[]): number[] => numbers.map((each) => Math.fround((each * kvHeadroom) / 127));
    expect([...(scales?.key ?? [])]).toEqual(steps([5, 5, 2, 0.5, 2, 2, 8e-5, 8]).map((each) => expect.closeTo(each, 9) as number));
    expect([...(scales?.value ?? [])]).toEqual(steps([1.5, 2, 1, 0.25, 0.5, 1, 4e-5, 4]).map((each) => expect.closeTo(each, 9) as number));
  });

  it('keeps the largest of several texts, never NaN, and no scale at zero', () => {
    const magnitudes = new KvMagnitudes(shape);
    magnitudes.add(0, { key: key.map(() => NaN), value: value.map(() => 0) });
    magnitudes.add(0, { key, value: value.map(() => 0) });
    magnitudes.add(0, { key: key.map((each) => each / 10), value: value.map(() => 0) });
    const [scales] = magnitudes.scales();
    expect(scales?.key[7]).toBeCloseTo((8 * kvHeadroom) / 127, 6);
    expect([...(scales?.value ?? [])].every((each) => each > 0)).toBe(true);
  });
});
