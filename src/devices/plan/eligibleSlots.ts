/** Which devices may be used, and with how many bytes, after the user's include, exclude and memory limits. */

import type { DeviceId } from '../../common/deviceId';
import type { WeightFormat } from '../../common/dtype';
import type { DeviceBudget, ModelSizes, PlacementFormats, PlacementLimits } from '../../common/placement';
import { isCpu, listDevices, resolveDeviceName } from './mapDevices';
import { DeviceMapError, NoUsableDeviceError } from './placementErrors';
import { makeSlot, type PlanSlot } from './planSlot';

/** What the CPU provider can run. */
const cpuWeightFormats: readonly WeightFormat[] = ['f32', 'int8', 'int4'];

/**
 * The usable devices in the order given, the CPU last.
 *
 * @throws {DeviceMapError} when a setting names a device that is not there.
 * @throws {NoUsableDeviceError} when nothing is left.
 */
export function eligibleSlots(sizes: ModelSizes, devices: readonly DeviceBudget[], formats: PlacementFormats, limits: PlacementLimits): readonly PlanSlot[] {
  const budgets = readMaxMemory(devices, limits);
  for (const id of limits.includeDevices ?? []) {
    if (!devices.some((device) => device.id === id)) {
      throw new DeviceMapError('device-not-available', `The included device ${id} is not available. Available: ${listDevices(devices)}.`, { device: id });
    }
  }
  const wanted = devices.filter((device) => (limits.includeDevices?.includes(device.id) ?? true) && !(limits.excludeDevices?.includes(device.id) ?? false));
  if (wanted.length === 0) {
    throw new NoUsableDeviceError(`The settings leave none of ${listDevices(devices)}.`, 'Change the included or excluded devices', { label: 'Change the devices', command: 'glm.openSettings', args: ['glm.includeDevices'], terminal: 'Change --include or --exclude' });
  }
  const slots = wanted.flatMap((device): readonly PlanSlot[] => {
    const budgetBytes = Math.min(device.freeBytes, budgets.get(device.id) ?? Infinity);
    if (!isCpu(device)) {
      return [makeSlot(device, budgetBytes, sizes, formats)];
    }
    if (formats.cpu !== undefined) {
      return [makeSlot(device, budgetBytes, formats.cpu.sizes, formats.cpu)];
    }
    return cpuWeightFormats.includes(formats.weightFormat) ? [makeSlot(device, budgetBytes, sizes, formats)] : [];
  });
  if (slots.length === 0) {
    throw new NoUsableDeviceError(`The CPU cannot run ${formats.weightFormat} weights, and no GPU is usable.`, 'Use int4, int8 or f32 weights', { label: 'Change the weights', command: 'glm.openSettings', args: ['glm.weights'], terminal: 'Use --weights int4, int8 or f32' });
  }
  return [...slots.filter((slot) => !isCpu(slot.device)), ...slots.filter((slot) => isCpu(slot.device))];
}

function readMaxMemory(devices: readonly DeviceBudget[], limits: PlacementLimits): ReadonlyMap<DeviceId, number> {
  return new Map(
    Object.entries(limits.maxMemoryBytes ?? {}).map(([name, bytes]) => [resolveDeviceName(name, devices, 'A device in the memory limits'), bytes] as const),
  );
}
