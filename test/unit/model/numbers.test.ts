import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeFloats, fromBf16Bits, fromF16Bits, toBf16Bits, toF16Bits } from '../../../src/model/halfFloat';
import { rotaryTable } from '../../../src/model/rope';

describe('half floats', () => {
  it('read back as themselves, every pattern of both kinds', () => {
    const patterns = Array.from({ length: 65_536 }, (_, bits) => bits);
    const changed = (decode: (bits: number) => number, encode: (value: number) => number): number[] =>
      patterns.filter((bits) => !Number.isNaN(decode(bits)) && encode(decode(bits)) !== bits);
    expect(changed(fromF16Bits, toF16Bits)).toEqual([]);
    expect(changed(fromBf16Bits, toBf16Bits)).toEqual([]);
  });

  it('round to the nearest neighbour, ties to even', () => {
    const isNearest = (encode: (value: number) => number, decode: (bits: number) => number) =>
      fc.property(fc.float({ min: -60_000, max: 60_000, noNaN: true }), (value) => {
        const bits = encode(value);
        const error = Math.abs(decode(bits) - value);
        for (const neighbour of [bits - 1, bits + 1].filter((other) => other >= 0 && (other & 0x8000) === (bits & 0x8000))) {
          const other = Math.abs(decode(neighbour) - value);
          expect(error < other || (error === other && (bits & 1) === 0)).toBe(true);
        }
      });
    fc.assert(isNearest(toF16Bits, fromF16Bits));
    fc.assert(isNearest(toBf16Bits, fromBf16Bits));
  });

  it('overflow to infinity and keep NaN', () => {
    expect(fromF16Bits(toF16Bits(65_519))).toBe(65_504);
    expect(fromF16Bits(toF16Bits(65_520))).toBe(Infinity);
    expect(fromF16Bits(toF16Bits(-1e9))).toBe(-Infinity);
    expect(fromF16Bits(toF16Bits(NaN))).toBeNaN();
    expect(fromBf16Bits(toBf16Bits(NaN))).toBeNaN();
  });

  it('leave f32 as it is', () => {
    const values = Float32Array.of(1, 2);
    expect(encodeFloats(values, 'f32')).toBe(values);
    expect([...encodeFloats(values, 'bf16')]).toEqual([0x3f80, 0x4000]);
  });
});

describe('rotaryTable', () => {
  it('starts at angle zero and turns by theta^(-2i/d) a position', () => {
    const { cos, sin } = rotaryTable({ rotaryDim: 8, ropeTheta: 10_000 }, 3);
    expect([...cos.subarray(0, 4)]).toEqual([1, 1, 1, 1]);
    expect([...sin.subarray(0, 4)]).toEqual([0, 0, 0, 0]);
    [1, 0.1, 0.01, 0.001].forEach((frequency, index) => {
      expect(cos[4 + index]).toBeCloseTo(Math.cos(frequency), 6);
      expect(sin[8 + index]).toBeCloseTo(Math.sin(2 * frequency), 6);
    });
  });
});
