/** Splits what a device's memory is used for by time: the driver counts all of it, the engine its own part. */

import type { DeviceId } from '../common/deviceId';
import type { DeviceMemoryUse } from '../common/placement';
import type { Profile } from '../common/profile';

export interface MemoryPoint {
  readonly timeMs: number;
  readonly weightBytes: number;
  readonly kvBytes: number;
  readonly activationBytes: number;
  /** Everything that is not the engine's: other programs, the driver, the runtime's kernels. Undefined where the whole is not known. */
  readonly otherBytes?: number;
  readonly usedBytes?: number;
  readonly totalBytes?: number;
}

export interface MemorySeries {
  readonly device: DeviceId;
  /** Oldest first, one for each sample. */
  readonly points: readonly MemoryPoint[];
}

/** At each sample the engine's last report before it counts; before the first one it held nothing. */
export function memorySeries(telemetry: Profile['telemetry'], engineMemory: Profile['engineMemory']): readonly MemorySeries[] {
  const reports = [...engineMemory].sort((a, b) => a.timeMs - b.timeMs);
  const samples = [...telemetry].sort((a, b) => a.timeMs - b.timeMs);
  const byDevice = new Map<DeviceId, MemoryPoint[]>();
  let next = 0;
  let own: readonly DeviceMemoryUse[] = [];
  for (const { timeMs, devices } of samples) {
    for (let report = reports[next]; report !== undefined && report.timeMs <= timeMs; report = reports[next]) {
      own = report.devices;
      next += 1;
    }
    for (const { id, usedBytes, totalBytes } of devices) {
      const points = byDevice.get(id) ?? [];
      byDevice.set(id, points);
      points.push(splitReading({ timeMs, usedBytes, totalBytes }, own.find(({ device }) => device === id)));
    }
  }
  return [...byDevice].map(([device, points]) => ({ device, points }));
}

function splitReading({ timeMs, usedBytes, totalBytes }: Pick<MemoryPoint, 'timeMs' | 'usedBytes' | 'totalBytes'>, own: DeviceMemoryUse | undefined): MemoryPoint {
  const weightBytes = own?.weightBytes ?? 0;
  const kvBytes = own?.kvBytes ?? 0;
  const activationBytes = (own?.activationBytes ?? 0) + (own?.stagingBytes ?? 0);
  return {
    timeMs,
    weightBytes,
    kvBytes,
    activationBytes,
    // In main memory pages that were allocated and never touched are not used yet, so our own part can be more than the whole.
    ...(usedBytes === undefined ? {} : { usedBytes, otherBytes: Math.max(0, usedBytes - weightBytes - kvBytes - activationBytes) }),
    ...(totalBytes === undefined ? {} : { totalBytes }),
  };
}
