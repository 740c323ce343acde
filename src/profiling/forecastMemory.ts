/** How much memory a context and a batch would take, and where it stops fitting. Linear in both, as the engine allocates. */

import type { DeviceId } from '../common/deviceId';
import type { ForecastBasis } from '../common/profile';

export interface MemoryRequest {
  readonly contextTokens: number;
  readonly batch: number;
}

export interface DeviceForecast {
  readonly device: DeviceId;
  readonly name: string;
  readonly weightBytes: number;
  readonly kvBytes: number;
  /** Per sequence, besides keys and values. */
  readonly activationBytes: number;
  readonly fixedBytes: number;
  readonly predictedBytes: number;
  readonly totalBytes?: number;
  readonly availableBytes?: number;
  /** Undefined where nobody knows what is free. */
  readonly fits?: boolean;
}

export interface MemoryForecast extends MemoryRequest {
  readonly devices: readonly DeviceForecast[];
  /** On every device; undefined where one is not known to and none is known not to. */
  readonly fits?: boolean;
  /** The device that is full first; the one with the least left when all fit. Undefined where no free memory is known. */
  readonly tightest?: DeviceId;
  /** For this batch, at most what the model was made for; 0 when not even one position fits. Undefined where no free memory is known. */
  readonly largestContextTokens?: number;
  /** For this context; 0 when not even one sequence fits. Undefined where no free memory is known or nothing grows with the batch. */
  readonly largestBatch?: number;
}

type DeviceBasis = ForecastBasis['devices'][number];

export function forecastMemory(basis: ForecastBasis, { contextTokens, batch }: MemoryRequest): MemoryForecast {
  const devices = basis.devices.map((device) => forecastDevice(device, { contextTokens, batch }));
  const known = basis.devices.filter(({ availableBytes }) => availableBytes !== undefined);
  const fits = devices.some((device) => device.fits === false) ? false : devices.every((device) => device.fits === true) ? true : undefined;
  const leftOf = ({ availableBytes = Infinity, predictedBytes }: DeviceForecast): number => availableBytes - predictedBytes;
  const tightest = devices.reduce<DeviceForecast | undefined>((least, device) => (device.availableBytes !== undefined && (least === undefined || leftOf(device) < leftOf(least)) ? device : least), undefined);
  const largestContext = Math.min(...known.map((device) => largestContextOn(device, batch)));
  const largestBatch = Math.min(...known.map((device) => largestBatchOn(device, contextTokens)));
  return {
    contextTokens,
    batch,
    devices,
    ...(fits === undefined ? {} : { fits }),
    ...(tightest === undefined ? {} : { tightest: tightest.device }),
    ...(known.length === 0 ? {} : { largestContextTokens: Math.min(largestContext, basis.maxContextTokens) }),
    ...(known.length === 0 || !Number.isFinite(largestBatch) ? {} : { largestBatch }),
  };
}

function forecastDevice(basis: DeviceBasis, { contextTokens, batch }: MemoryRequest): DeviceForecast {
  const { device, name, weightBytes, fixedBytes, totalBytes, availableBytes } = basis;
  const kvBytes = basis.kvBytesPerPosition * roundedPositions(basis, contextTokens) * batch;
  const activationBytes = basis.bytesPerSequence * batch;
  const predictedBytes = weightBytes + kvBytes + activationBytes + fixedBytes;
  return {
    device,
    name,
    weightBytes,
    kvBytes,
    activationBytes,
    fixedBytes,
    predictedBytes,
    ...(totalBytes === undefined ? {} : { totalBytes }),
    ...(availableBytes === undefined ? {} : { availableBytes, fits: predictedBytes <= availableBytes }),
  };
}

function roundedPositions({ kvStepPositions }: DeviceBasis, contextTokens: number): number {
  const step = Math.max(1, kvStepPositions);
  return Math.ceil(contextTokens / step) * step;
}

function largestContextOn(basis: DeviceBasis, batch: number): number {
  const leftBytes = (basis.availableBytes ?? Infinity) - basis.weightBytes - basis.fixedBytes - basis.bytesPerSequence * batch;
  if (leftBytes < 0) {
    return 0;
  }
  const perPosition = basis.kvBytesPerPosition * batch;
  if (perPosition <= 0) {
    return Infinity;
  }
  const step = Math.max(1, basis.kvStepPositions);
  return largestThatFits(Math.floor(leftBytes / perPosition / step), (count) => forecastDevice(basis, { contextTokens: count * step, batch }).fits !== false) * step;
}

function largestBatchOn(basis: DeviceBasis, contextTokens: number): number {
  const leftBytes = (basis.availableBytes ?? Infinity) - basis.weightBytes - basis.fixedBytes;
  const perSequence = basis.kvBytesPerPosition * roundedPositions(basis, contextTokens) + basis.bytesPerSequence;
  if (leftBytes < 0) {
    return 0;
  }
  return perSequence <= 0 ? Infinity : largestThatFits(Math.floor(leftBytes / perSequence), (batch) => forecastDevice(basis, { contextTokens, batch }).fits !== false);
}

/** A quotient of floating point numbers can be one off; the forecast itself has the last word. */
function largestThatFits(guess: number, fits: (count: number) => boolean): number {
  return fits(guess + 1) ? guess + 1 : guess === 0 || fits(guess) ? guess : guess - 1;
}
