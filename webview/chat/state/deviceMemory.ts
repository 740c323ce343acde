/** Splits a device's memory into the segments of its bar. */

import type { DeviceId } from '../../../src/common/deviceId';
import type { DeviceMemoryUse } from '../../../src/common/placement';
import type { DeviceDescription, DeviceReading, TelemetrySample } from '../../../src/common/protocol/monitor';
import type { ModelState } from '../../../src/common/protocol/webview';

export interface MemorySegment {
  readonly kind: 'weights' | 'kv' | 'activations' | 'other' | 'planned';
  readonly label: string;
  readonly bytes: number;
  /** Share of the device's total, 0–1. */
  readonly fraction: number;
}

export interface DeviceView {
  readonly id: DeviceId;
  readonly description?: DeviceDescription;
  readonly reading?: DeviceReading;
  readonly usedBytes?: number;
  readonly totalBytes?: number;
  /** Empty while the total is unknown. */
  readonly segments: readonly MemorySegment[];
  readonly use?: DeviceMemoryUse;
  /** Why the device no longer answers. */
  readonly lost?: string;
  readonly holdsModel: boolean;
}

/**
 * One entry per device worth a line: every GPU, and the CPU when a model lies on it or nothing else is there.
 *
 * Other processes' bytes are what the driver counts as used beyond our own allocations; without a reading there is no such segment.
 * While a model loads, the planned bytes that are not yet in use make a segment of their own.
 */
export function describeDevices(devices: readonly DeviceDescription[], sample: TelemetrySample | undefined, engineMemory: readonly DeviceMemoryUse[], model: ModelState): readonly DeviceView[] {
  const stages = model.kind === 'ready' ? model.model.plan.stages : model.kind === 'loading' ? (model.plan?.stages ?? []) : [];
  const ids = new Set<DeviceId>([...devices.map((device) => device.id), ...engineMemory.map((use) => use.device), ...stages.map((stage) => stage.device)]);
  const hasGpu = [...ids].some((id) => id !== 'cpu');
  const holders = new Set<DeviceId>([...stages.map((stage) => stage.device), ...engineMemory.map((use) => use.device)]);
  return [...ids]
    .filter((id) => id !== 'cpu' || !hasGpu || holders.has(id))
    .sort((a, b) => Number(a === 'cpu') - Number(b === 'cpu'))
    .map((id) => {
      const description = devices.find((device) => device.id === id);
      const reading = sample?.devices.find((entry) => entry.id === id);
      const use = engineMemory.find((entry) => entry.device === id);
      const totalBytes = reading?.totalBytes ?? description?.totalBytes;
      const usedBytes = reading?.usedBytes ?? (totalBytes !== undefined && reading?.freeBytes !== undefined ? totalBytes - reading.freeBytes : undefined);
      const plannedBytes =
        model.kind === 'loading' ? stages.filter((stage) => stage.device === id).reduce((sum, stage) => sum + stage.weightBytes + stage.kvBytes + stage.activationBytes, 0) : 0;
      return { id, description, reading, usedBytes, totalBytes, use, lost: reading?.lost, holdsModel: holders.has(id), segments: splitMemory(totalBytes, usedBytes, use, plannedBytes) };
    });
}

function splitMemory(totalBytes: number | undefined, usedBytes: number | undefined, use: DeviceMemoryUse | undefined, plannedBytes: number): readonly MemorySegment[] {
  if (totalBytes === undefined || totalBytes <= 0) {
    return [];
  }
  const activationBytes = (use?.activationBytes ?? 0) + (use?.stagingBytes ?? 0);
  const ownBytes = (use?.weightBytes ?? 0) + (use?.kvBytes ?? 0) + activationBytes;
  const otherBytes = usedBytes === undefined ? 0 : Math.max(0, usedBytes - ownBytes);
  const segments = [
    { kind: 'weights', label: 'Weights', bytes: use?.weightBytes ?? 0 },
    { kind: 'kv', label: 'KV cache', bytes: use?.kvBytes ?? 0 },
    { kind: 'activations', label: 'Activations and staging', bytes: activationBytes },
    { kind: 'other', label: 'Other processes', bytes: otherBytes },
    { kind: 'planned', label: 'Planned for this load', bytes: Math.max(0, plannedBytes - ownBytes) },
  ] as const;
  let room = totalBytes;
  return segments
    .filter((segment) => segment.bytes > 0)
    .map((segment) => {
      const shown = Math.min(segment.bytes, room);
      room -= shown;
      return { ...segment, fraction: shown / totalBytes };
    });
}
