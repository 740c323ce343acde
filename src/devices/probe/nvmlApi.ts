/** What we read from NVML, NVIDIA's management library, as an interface: nvmlLibrary.ts implements it over the real library, tests in memory. */

import { GlmError } from '../../common/errors';

export interface NvmlMemory {
  readonly totalBytes: number;
  /** Without what the driver reserves for itself, where the driver tells the two apart. */
  readonly usedBytes: number;
  readonly freeBytes: number;
}

export interface NvmlProcess {
  readonly pid: number;
  /** Undefined where the driver does not know, as under Windows' WDDM. */
  readonly usedBytes?: number;
}

/**
 * One GPU, or one MIG instance of it.
 * Every reading is undefined when this card, driver or system does not give it; all throw {@link NvmlDeviceLostError} when the card has gone.
 */
export interface NvmlDevice {
  name(): string | undefined;
  uuid(): string | undefined;
  pciBusId(): string | undefined;
  memory(): NvmlMemory | undefined;
  utilizationPercent(): number | undefined;
  temperatureCelsius(): number | undefined;
  powerWatts(): number | undefined;
  powerLimitWatts(): number | undefined;
  smClockMhz(): number | undefined;
  memoryClockMhz(): number | undefined;
  /** Why the clocks are below their maximum, in words; empty when they are not. */
  throttleReasons(): readonly string[] | undefined;
  /** Compute and graphics processes, each once. Inside a container the ids are often the host's. */
  processes(): readonly NvmlProcess[] | undefined;
  /** Takes the driver some 20 ms per direction, therefore on another thread. */
  pcieThroughput(): Promise<{ readonly txBytesPerSecond?: number; readonly rxBytesPerSecond?: number }>;
  /** Undefined when MIG is off or unknown to the card. */
  migInstances(): readonly NvmlDevice[] | undefined;
}

export interface Nvml {
  readonly driverVersion: string | undefined;
  /** Newest CUDA version that the driver supports, such as `13.0`. */
  readonly cudaVersion: string | undefined;
  /** All GPUs of the machine in PCI bus order, hidden ones included. A card that cannot even be opened is an error text. */
  devices(): readonly (NvmlDevice | string)[];
  close(): void;
}

/**
 * A card that answered before does not answer any more.
 *
 * Cause: NVML status GPU_IS_LOST, RESET_REQUIRED or GPU_NOT_FOUND: fallen off the bus, a fault, a driver reset. Handled by: telemetry, which marks the device.
 */
export class NvmlDeviceLostError extends GlmError {
  constructor(
    readonly status: number,
    call: string,
  ) {
    super('gpu-lost', `The GPU does not answer any more (${nvmlStatusText(status)} in ${call}).`, { fields: { status, call } });
  }
}

/**
 * NVML could not be used at all.
 *
 * Cause: no NVIDIA driver, a library of another version than the kernel module, no permission. Handled by: the probe, which says so and tries nvidia-smi.
 */
export class NvmlUnavailableError extends GlmError {
  constructor(message: string, fields: Readonly<Record<string, string | number>> = {}) {
    super('nvml-unavailable', message, { fields });
  }
}

const lostStatuses: ReadonlySet<number> = new Set([15, 16, 28]);

export const isLostStatus = (status: number): boolean => lostStatuses.has(status);

/** NVML's status numbers that say more than "not available", in words. */
export function nvmlStatusText(status: number): string {
  const texts: Readonly<Record<number, string>> = {
    3: 'not supported',
    4: 'no permission',
    9: 'the NVIDIA kernel driver is not loaded',
    12: 'a library of the driver is missing',
    15: 'the GPU is lost',
    16: 'the GPU needs a reset',
    17: 'the operating system refused',
    18: "the driver's library and its kernel module are of different versions, as after an update without a reboot",
    23: 'out of resources',
    28: 'the GPU was not found',
  };
  return texts[status] ?? `NVML status ${status}`;
}

const throttleBits: readonly (readonly [bit: number, text: string])[] = [
  [0x2, 'clocks set by the user'],
  [0x4, 'power limit'],
  [0x8, 'hardware slowdown'],
  [0x10, 'sync boost'],
  [0x20, 'temperature (software)'],
  [0x40, 'temperature (hardware)'],
  [0x80, 'power brake (hardware)'],
  [0x100, 'display clocks'],
  [0x200, 'board limit'],
  [0x400, 'reliability'],
];

/** Words for NVML's clock event reasons. "Idle" (bit 0) is no reason to worry and left out. */
export function throttleReasonTexts(mask: number): readonly string[] {
  return throttleBits.filter(([bit]) => (mask & bit) !== 0).map(([, text]) => text);
}
