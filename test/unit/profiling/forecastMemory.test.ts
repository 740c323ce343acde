import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cpuDevice, deviceId } from '../../../src/common/deviceId';
import type { ForecastBasis } from '../../../src/common/profile';
import { forecastMemory } from '../../../src/profiling/forecastMemory';
import { memorySeries } from '../../../src/profiling/memorySeries';

const device = (changes: Partial<ForecastBasis['devices'][number]> = {}): ForecastBasis['devices'][number] => ({
  device: deviceId('cuda', 0),
  name: 'GPU',
  weightBytes: 1000,
  kvBytesPerPosition: 10,
  kvStepPositions: 1,
  fixedBytes: 100,
  bytesPerSequence: 50,
  availableBytes: 2200,
  ...changes,
});
const basis = (...devices: readonly ForecastBasis['devices'][number][]): ForecastBasis => ({ devices, maxContextTokens: 100_000, contextTokens: 64, maxBatch: 1 });

describe('forecastMemory', () => {
  it('adds up weights, keys and values of every sequence, what each sequence takes besides, and what is fixed', () => {
    const forecast = forecastMemory(basis(device()), { contextTokens: 40, batch: 2 });
    expect(forecast.devices[0]).toMatchObject({ weightBytes: 1000, kvBytes: 800, activationBytes: 100, fixedBytes: 100, predictedBytes: 2000, fits: true });
    // 2,200 - 1,100 - 100 leaves 1,000: 50 positions of two sequences. (1,100) / (400 + 50) are two sequences.
    expect(forecast).toMatchObject({ fits: true, largestContextTokens: 50, largestBatch: 2, tightest: 'cuda:0' });
  });

  it('is limited by the device that is full first', () => {
    const forecast = forecastMemory(basis(device(), device({ device: deviceId('cuda', 1), availableBytes: 1300 })), { contextTokens: 40, batch: 1 });
    expect(forecast).toMatchObject({ fits: false, tightest: 'cuda:1', largestContextTokens: 15, largestBatch: 0 });
    expect(forecast.devices.map(({ fits }) => fits)).toEqual([true, false]);
  });

  it('rounds contexts up to what is allocated', () => {
    const forecast = forecastMemory(basis(device({ kvStepPositions: 16 })), { contextTokens: 17, batch: 1 });
    expect(forecast.devices[0]?.kvBytes).toBe(320);
    expect(forecast.largestContextTokens).toBe(96);
  });

  it('says neither yes nor no where free memory is not known', () => {
    const forecast = forecastMemory(basis(device({ availableBytes: undefined })), { contextTokens: 40, batch: 1 });
    expect(forecast.devices[0]?.predictedBytes).toBe(1550);
    expect(forecast).toEqual({ contextTokens: 40, batch: 1, devices: forecast.devices });
  });

  it('offers no longer context than the model was made for, and none where the weights alone are too big', () => {
    expect(forecastMemory({ ...basis(device({ availableBytes: 1e9 })), maxContextTokens: 4096 }, { contextTokens: 1, batch: 1 }).largestContextTokens).toBe(4096);
    expect(forecastMemory(basis(device({ availableBytes: 900 })), { contextTokens: 1, batch: 1 })).toMatchObject({ fits: false, largestContextTokens: 0, largestBatch: 0 });
  });

  const amounts = fc.record({
    weightBytes: fc.integer({ min: 0, max: 1e12 }),
    // Parts of a byte come from scales that several positions share; a denormal number of bytes does not.
    kvBytesPerPosition: fc.oneof({ arbitrary: fc.constant(0), weight: 1 }, { arbitrary: fc.double({ min: 0.25, max: 1e6, noNaN: true }), weight: 9 }),
    kvStepPositions: fc.integer({ min: 1, max: 512 }),
    fixedBytes: fc.integer({ min: 0, max: 1e10 }),
    bytesPerSequence: fc.integer({ min: 0, max: 1e8 }),
    availableBytes: fc.integer({ min: 0, max: 1e12 }),
  });

  it('finds the largest context and batch: they fit, and one more does not', () => {
    fc.assert(
      fc.property(fc.array(amounts, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 200_000 }), fc.integer({ min: 1, max: 64 }), (list, contextTokens, batch) => {
        const of = { ...basis(...list.map((each, index) => device({ ...each, device: deviceId('cuda', index) }))), maxContextTokens: 1_000_000 };
        const { largestContextTokens = 0, largestBatch } = forecastMemory(of, { contextTokens, batch });
        const fits = (tokens: number, sequences: number): boolean => forecastMemory(of, { contextTokens: tokens, batch: sequences }).fits === true;
        if (largestContextTokens > 0) {
          expect(fits(largestContextTokens, batch)).toBe(true);
        }
        if (largestContextTokens < of.maxContextTokens) {
          expect(fits(largestContextTokens + 1, batch)).toBe(false);
        }
        if (largestBatch !== undefined) {
          expect(largestBatch === 0 || fits(contextTokens, largestBatch)).toBe(true);
          expect(fits(contextTokens, largestBatch + 1)).toBe(false);
        }
      }),
    );
  });

  it('never predicts less for more', () => {
    fc.assert(
      fc.property(amounts, fc.nat(10_000), fc.nat(10_000), fc.integer({ min: 1, max: 9 }), (each, tokens, more, batch) => {
        const predicted = (contextTokens: number, sequences: number): number => forecastMemory(basis(device(each)), { contextTokens, batch: sequences }).devices[0]!.predictedBytes;
        expect(predicted(tokens + more, batch)).toBeGreaterThanOrEqual(predicted(tokens, batch));
        expect(predicted(tokens, batch + 1)).toBeGreaterThanOrEqual(predicted(tokens, batch));
      }),
    );
  });
});

describe('memorySeries', () => {
  const use = (weightBytes: number) => [{ device: cpuDevice, weightBytes, kvBytes: 10, activationBytes: 5, stagingBytes: 1 }];
  const sample = (timeMs: number, usedBytes?: number) => ({ timeMs, devices: [{ id: cpuDevice, usedBytes, totalBytes: 5000 }] });

  it('takes the engine\'s last report before each sample, and nothing before the first', () => {
    const [series] = memorySeries([sample(5, 900), sample(10, 1000), sample(25, 1000)], [{ timeMs: 20, devices: use(300) }, { timeMs: 10, devices: use(100) }]);
    expect(series?.device).toBe('cpu');
    expect(series?.points.map(({ weightBytes, kvBytes, activationBytes, otherBytes }) => [weightBytes, kvBytes, activationBytes, otherBytes])).toEqual([
      [0, 0, 0, 900],
      [100, 10, 6, 884],
      [300, 10, 6, 684],
    ]);
  });

  it('leaves the others unknown without a reading, and never below nothing', () => {
    const [series] = memorySeries([sample(1), sample(2, 50)], [{ timeMs: 0, devices: use(100) }]);
    expect(series?.points.map(({ usedBytes, otherBytes }) => [usedBytes, otherBytes])).toEqual([
      [undefined, undefined],
      [50, 0],
    ]);
  });
});
