/** Checked values of command line options. Each throws commander's InvalidArgumentError, which ends with exit code 2. */

import { InvalidArgumentError } from 'commander';
import { tryParseBytes } from '../../common/byteParse';
import { tryParseDeviceId, type DeviceId } from '../../common/deviceId';

export function wholeNumber(minimum: number, maximum = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text.trim()) || value < minimum || value > maximum) {
      throw new InvalidArgumentError(`Expected a whole number ${maximum === Number.MAX_SAFE_INTEGER ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`}.`);
    }
    return value;
  };
}

export function decimalNumber(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (!Number.isFinite(value) || value < minimum || value > maximum) {
      throw new InvalidArgumentError(maximum === Number.MAX_VALUE ? `Expected a number of at least ${minimum}.` : `Expected a number from ${minimum} to ${maximum}.`);
    }
    return value;
  };
}

/** `1,2,3`, `1 2 3` or `[1, 2, 3]` → token ids. */
export function tokenIds(text: string): readonly number[] {
  const parts = text.replace(/^\s*\[|\]\s*$/g, '').split(/[\s,]+/).filter((part) => part !== '');
  if (parts.length === 0 || parts.some((part) => !/^\d{1,9}$/.test(part))) {
    throw new InvalidArgumentError('Expected token ids as whole numbers with commas between, such as 1,2,3.');
  }
  return parts.map(Number);
}

export function filledText(text: string): string {
  if (text === '') {
    throw new InvalidArgumentError('Expected a text that is not empty.');
  }
  return text;
}

/** For a repeatable option: collects the parsed values. */
export function collect<T>(parse: (text: string) => T): (text: string, previous: readonly T[] | undefined) => readonly T[] {
  return (text, previous) => [...(previous ?? []), parse(text)];
}

export function deviceList(text: string): readonly DeviceId[] {
  return text.split(',').map((part) => {
    const name = part.trim();
    const id = tryParseDeviceId(/^\d+$/.test(name) ? `cuda:${name}` : name);
    if (id === undefined) {
      throw new InvalidArgumentError(`"${name}" is no device. Devices are called cpu, cuda:0, webgpu:0; "glm devices" lists them.`);
    }
    return id;
  });
}

/** JSON, as an object. */
export function jsonObject(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new InvalidArgumentError(`Expected a JSON object: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidArgumentError('Expected a JSON object.');
  }
  return value as Readonly<Record<string, unknown>>;
}

/** `0=20GiB,cpu=64GiB` or the Hugging Face form `{"0": "20GiB", "cpu": "64GiB"}` → bytes per device. */
export function memoryLimits(text: string): Readonly<Record<string, number>> {
  const entries = text.trim().startsWith('{')
    ? Object.entries(jsonObject(text))
    : text.split(',').map((part): [string, unknown] => {
        const [device = '', size = ''] = part.split('=');
        return [device.trim(), size];
      });
  const repeated = entries.find(([device], index) => entries.findIndex(([other]) => other === device) < index);
  if (repeated !== undefined) {
    throw new InvalidArgumentError(`"${repeated[0]}" has two limits.`);
  }
  return Object.fromEntries(
    entries.map(([device, size]) => {
      const bytes = typeof size === 'string' || typeof size === 'number' ? tryParseBytes(size) : undefined;
      if (device === '' || bytes === undefined) {
        throw new InvalidArgumentError('Expected sizes per device, such as cuda:0=20GiB,cpu=64GiB or {"0": "20GiB"}.');
      }
      if (!/^\d{1,3}$/.test(device) && tryParseDeviceId(device) === undefined) {
        throw new InvalidArgumentError(`"${device}" is no device. Devices are called cpu, cuda:0, webgpu:0, or 0 for the first GPU.`);
      }
      return [device, bytes];
    }),
  );
}
