/** Which devices may be used, and with how many bytes, after the user's include, exclude and memory limits. */

import { deviceKind, type DeviceId } from '../../common/deviceId';
import type { WeightFormat } from '../../common/dtype';
import type { DeviceBudget, ModelSizes, PlacementFormats, PlacementLimits } from '../../common/placement';
import { isCpu, listDevices, resolveDeviceName } from './mapDevices';
import { changeDevices, changeLimits, DeviceMapError, NoUsableDeviceError } from './placementErrors';
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
  const budgets = readMaxMemory(devices, limits.maxMemoryBytes);
  const wanted = devicesWanted(devices, limits);
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

/** The user's limit of each device that has one; of two for the same device (`0` and `cuda:0`), the smaller. */
export function readMaxMemory(devices: readonly DeviceBudget[], maxMemoryBytes: PlacementLimits['maxMemoryBytes']): ReadonlyMap<DeviceId, number> {
  const limits = new Map<DeviceId, number>();
  for (const [name, bytes] of Object.entries(maxMemoryBytes ?? {})) {
    const id = resolveDeviceName(name, devices, 'A device in the memory limits', changeLimits);
    limits.set(id, Math.min(bytes, limits.get(id) ?? Infinity));
  }
  return limits;
}

/** Limits that are for a GPU of the provider in use which is not there: a slip of the pen, and without a word nothing would be limited. */
export function limitsWithoutDevice(devices: readonly DeviceBudget[], limits: PlacementLimits): readonly DeviceId[] {
  const kinds = new Set(devices.filter((device) => !isCpu(device)).map(({ provider }) => provider));
  return [...readMaxMemory(devices, limits.maxMemoryBytes).keys()].filter((id) => kinds.has(deviceKind(id)) && !devices.some((device) => device.id === id));
}

/**
 * Include and exclude name devices of any provider, so they are held against all of them.
 *
 * @throws {DeviceMapError} when a device to include is not there.
 * @throws {NoUsableDeviceError} when nothing is left.
 */
export function devicesWanted(devices: readonly DeviceBudget[], { includeDevices, excludeDevices }: Pick<PlacementLimits, 'includeDevices' | 'excludeDevices'>): readonly DeviceBudget[] {
  for (const id of includeDevices ?? []) {
    if (!devices.some((device) => device.id === id)) {
      throw new DeviceMapError('device-not-available', `The included device ${id} is not available. Available: ${listDevices(devices)}.`, { device: id }, changeDevices);
    }
  }
  const wanted = devices.filter((device) => (includeDevices?.includes(device.id) ?? true) && !(excludeDevices?.includes(device.id) ?? false));
  if (wanted.length === 0) {
    throw new NoUsableDeviceError(`The settings leave none of ${listDevices(devices)}.`, 'Change the included or excluded devices', changeDevices);
  }
  return wanted;
}
