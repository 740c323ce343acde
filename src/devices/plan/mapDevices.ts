/** Device names as maps and limits spell them: our own ids, bare numbers, `cpu`, `disk`. */

import { cpuDevice, tryParseDeviceId, type DeviceId } from '../../common/deviceId';
import type { NextStep } from '../../common/errors';
import type { DeviceBudget } from '../../common/placement';
import { DeviceMapError } from './placementErrors';

/**
 * The device that a map's value or a limit's key names. A bare number is an index among the GPUs of the provider in use, as PyTorch counts them.
 *
 * @param next  What to do about a wrong name, where it stands in no device map.
 * @throws {DeviceMapError} for `disk`, `meta` and anything that is no device name.
 */
export function resolveDeviceName(value: string | number, devices: readonly DeviceBudget[], where: string, next?: NextStep): DeviceId {
  const text = String(value).trim();
  if (text === 'disk' || text === 'meta') {
    throw new DeviceMapError(
      'disk-offload',
      `${where} is "${text}", but layers cannot run from disk here: every token would read them again. Use "cpu" for layers that no GPU can hold, or int4 weights.`,
      { value: text },
      next,
    );
  }
  const gpuProvider = devices.find((device) => device.provider !== 'cpu')?.provider ?? 'cuda';
  const id = /^\d{1,3}$/.test(text) ? tryParseDeviceId(`${gpuProvider}:${Number(text)}`) : tryParseDeviceId(text);
  if (id === undefined) {
    throw new DeviceMapError('bad-device', `${where} is "${text}", which is no device name. Expected a number such as 0, "cuda:0", "webgpu:0" or "cpu".`, { value: text }, next);
  }
  return id;
}

export const isCpu = (device: DeviceBudget): boolean => device.id === cpuDevice;

/** `cuda:0, cuda:1 and cpu`. */
export function listDevices(devices: readonly DeviceBudget[]): string {
  const names = devices.map((device) => device.id);
  return names.length < 2 ? (names[0] ?? 'none') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
