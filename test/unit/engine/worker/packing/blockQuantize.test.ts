import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dequantizeRows, quantizeRows4, quantizeRows4WithZeroPoints, quantizeRows8 } from '../../../../../src/engine/worker/packing/blockQuantize';

const blockSize = 32;

function roundTripWithZeroPoints(weights: Float32Array, rows: number, width: number, size = blockSize): Float32Array {
  const blocks = Math.ceil(width / size);
  const values = new Uint8Array((rows * blocks * size) / 2);
  const scales = new Float32Array(rows * blocks);
  const zeroPoints = new Uint8Array(rows * Math.ceil(blocks / 2));
  quantizeRows4WithZeroPoints(weights, rows, width, size, values, scales, zeroPoints);
  return dequantizeRows(values, scales, rows, width, size, 4, zeroPoints);
}

const squaredError = (weights: readonly number[], back: readonly number[]): number => weights.reduce((sum, weight, index) => sum + (weight - (back[index] as number)) ** 2, 0);

/** 16 even levels over the whole span of a block, zero being one of them; nothing refitted. */
function roundOverWholeSpan(block: readonly number[]): number[] {
  const [least, most] = [Math.min(0, ...block), Math.max(0, ...block)];
  const step = (most - least) / 15 || 1;
  const zero = Math.round(-least / step);
  return block.map((weight) => (Math.max(0, Math.min(15, Math.round(weight / step) + zero)) - zero) * step);
}

function roundTrip(weights: Float32Array, rows: number, width: number, bits: 4 | 8): { readonly back: Float32Array; readonly scales: Float32Array; readonly values: Uint8Array } {
  const blocks = Math.ceil(width / blockSize);
  const values = new Uint8Array((rows * blocks * blockSize * bits) / 8);
  const scales = new Float32Array(rows * blocks);
  (bits === 4 ? quantizeRows4 : quantizeRows8)(weights, rows, width, blockSize, values, scales);
  return { back: dequantizeRows(values, scales, rows, width, blockSize, bits), scales, values };
}

const matrix = fc.integer({ min: 1, max: 4 }).chain((rows) =>
  fc.integer({ min: 1, max: 100 }).chain((width) =>
    fc.array(fc.float({ min: -10, max: 10, noNaN: true }), { minLength: rows * width, maxLength: rows * width }).map((values) => ({ rows, width, weights: Float32Array.from(values) })),
  ),
);

describe('block quantisation', () => {
  it('keeps every weight within its block’s step', () => {
    fc.assert(
      fc.property(matrix, fc.constantFrom(4 as const, 8 as const), ({ rows, width, weights }, bits) => {
        const { back } = roundTrip(weights, rows, width, bits);
        for (let row = 0; row < rows; row += 1) {
          for (let start = 0; start < width; start += blockSize) {
            const block = Array.from({ length: Math.min(blockSize, width - start) }, (_, index) => row * width + start + index);
            const largest = Math.max(...block.map((index) => Math.abs(weights[index] as number)));
            // 4 bits: 16 steps of largest / 8, one side losing up to a whole step at the end of its range, the refitted scale up to another.
            const tolerance = bits === 4 ? largest / 4 : largest / 200;
            block.forEach((index) => expect(Math.abs((back[index] as number) - (weights[index] as number))).toBeLessThanOrEqual(tolerance + 1e-12));
          }
        }
      }),
    );
  });

  it('gives levels back unchanged', () => {
    const levels4 = Float32Array.from({ length: 32 }, (_, index) => ((index % 16) - 8) * 0.25);
    expect([...roundTrip(levels4, 1, 32, 4).back]).toEqual([...levels4]);
    const levels8 = Float32Array.from({ length: 32 }, (_, index) => (index * 8 - 127) * 0.5);
    expect([...roundTrip(levels8, 1, 32, 8).back]).toEqual([...levels8]);
  });

  it('leaves less error on bell-shaped weights than rounding to 16 even levels of the largest', () => {
    let seed = 7;
    const uniform = (): number => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
    const weights = Float32Array.from({ length: 3200 }, () => uniform() + uniform() + uniform() + uniform() - 2);
    const errorOf = (back: Float32Array): number => back.reduce((sum, value, index) => sum + (value - (weights[index] as number)) ** 2, 0);
    const plain = weights.map((weight, index) => {
      const block = weights.subarray(Math.floor(index / 32) * 32, Math.floor(index / 32) * 32 + 32);
      const step = Math.max(...block.map(Math.abs)) / 7;
      return Math.round(weight / step) * step;
    });
    const ours = errorOf(roundTrip(weights, 1, 3200, 4).back);
    expect(ours).toBeLessThan(0.85 * errorOf(plain));
    expect(errorOf(roundTripWithZeroPoints(weights, 1, 3200))).toBeLessThan(0.92 * ours);
  });

  it.each([32, 64])('leaves no more error in a block of %i than 16 levels over its whole span, and zero exactly zero, with zero points', (size) => {
    fc.assert(
      fc.property(matrix, ({ rows, width, weights }) => {
        const back = roundTripWithZeroPoints(weights, rows, width, size);
        for (let row = 0; row < rows; row += 1) {
          for (let start = row * width; start < (row + 1) * width; start += size) {
            const end = Math.min(start + size, (row + 1) * width);
            const block = [...weights.subarray(start, end)];
            const plain = squaredError(block, roundOverWholeSpan(block));
            expect(squaredError(block, [...back.subarray(start, end)])).toBeLessThanOrEqual(plain * 1.0001 + 1e-9);
            block.forEach((weight, index) => weight === 0 && expect(back[start + index]).toBe(0));
          }
        }
      }),
    );
    expect([...roundTripWithZeroPoints(new Float32Array(70), 2, 35, size)].every((value) => value === 0)).toBe(true);
  });

  it('leaves weights outside the levels where that leaves less error, with zero points', () => {
    let seed = 11;
    const uniform = (): number => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
    const weights = Array.from({ length: 6400 }, () => Array.from({ length: 12 }, uniform).reduce((sum, value) => sum + value, -6));
    const plain = Array.from({ length: 100 }, (_, block) => roundOverWholeSpan(weights.slice(block * 64, block * 64 + 64))).flat();
    const ours = squaredError(weights, [...roundTripWithZeroPoints(Float32Array.from(weights), 1, 6400, 64)]);
    expect(ours).toBeLessThan(0.93 * squaredError(weights, plain));
  });

  it('survives blocks of zeros', () => {
    const { back, scales } = roundTrip(new Float32Array(64), 2, 32, 4);
    expect([...back].every((value) => value === 0)).toBe(true);
    expect([...scales]).toEqual([0, 0]);
  });

  it('pads a last block with zeros', () => {
    const { values } = roundTrip(Float32Array.of(1, -1, 0.5), 1, 3, 4);
    expect([...values.subarray(2)].every((byte) => byte === 0x88)).toBe(true);
    expect([...roundTrip(Float32Array.of(1), 1, 1, 8).values.subarray(1)].every((byte) => byte === 128)).toBe(true);
  });
});
