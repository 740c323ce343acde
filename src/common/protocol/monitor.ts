/** The contract between a host and the monitor process, and the readings it sends. A reading that can't be had is undefined. */

import type { DeviceId } from '../deviceId';
import type { LogRecord } from '../log';
import type { Amount } from '../quantities';

/** A device that exists, and why something about it is missing. */
export interface DeviceDescription {
  /** `cpu`, `cuda:0`, `webgpu:0`, `amd:0`, `intel:0`; the last two are only watched. */
  readonly id: DeviceId;
  /** The same without the index. */
  readonly kind: 'cpu' | 'cuda' | 'webgpu' | 'amd' | 'intel';
  /** As its driver or the system calls it. */
  readonly name: string;
  /** Memory in bytes. */
  readonly totalBytes?: Amount;
  /** Bytes that were free when it was described. */
  readonly freeBytes?: Amount;
  /** Version of its driver. */
  readonly driverVersion?: string;
  /** Such as `0000:17:00.0`. */
  readonly pciBusId?: string;
  /** As NVML gives it. */
  readonly uuid?: string;
  /** Where the readings come from, such as `NVML`, `nvidia-smi`, `sysfs`, `os`. */
  readonly source: string;
  /** What is missing and why, one sentence each. */
  readonly notes: readonly string[];
}

export interface ProcessMemory {
  readonly pid: number;
  readonly usedBytes?: number;
  readonly name?: string;
}

export interface DeviceReading {
  readonly id: DeviceId;
  readonly utilizationPercent?: number;
  readonly usedBytes?: number;
  readonly freeBytes?: number;
  readonly totalBytes?: number;
  readonly temperatureCelsius?: number;
  readonly powerWatts?: number;
  readonly powerLimitWatts?: number;
  readonly smClockMhz?: number;
  readonly memoryClockMhz?: number;
  readonly pcieTxBytesPerSecond?: number;
  readonly pcieRxBytesPerSecond?: number;
  readonly throttleReasons?: readonly string[];
  readonly processes?: readonly ProcessMemory[];
  /** The watched processes' own share (CPU percent of one core × cores, resident bytes). */
  readonly ownUtilizationPercent?: number;
  readonly ownBytes?: number;
  /** Set when the device stopped answering. */
  readonly lost?: string;
}

export interface TelemetrySample {
  /** Milliseconds since the Unix epoch. */
  readonly timeMs: number;
  readonly devices: readonly DeviceReading[];
}

export type MonitorContract = {
  requests: {
    'devices-probe': { params: Record<string, never>; result: readonly DeviceDescription[] };
    /** Starts, changes or (interval undefined) ends the samples. Allowed: 200 to 10,000 ms. */
    'telemetry-watch': { params: { readonly intervalMs?: number; readonly ownPids: readonly number[] }; result: Record<string, never> };
    /** The samples kept so far (the last few minutes at 1 Hz), oldest first, for a view that opens late. */
    'telemetry-history': { params: { readonly sinceMs?: number }; result: readonly TelemetrySample[] };
    'telemetry-read': { params: { readonly ownPids: readonly number[] }; result: TelemetrySample };
  };
  events: {
    'telemetry-sample': TelemetrySample;
    'devices-changed': readonly DeviceDescription[];
    log: LogRecord;
  };
};
