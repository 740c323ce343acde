/** Reading device expressions and `device_map`. */
import type { Interpreter } from './interpreter';
import { optionsOf, spreadingMaps, type Device, type DeviceMap, type Value } from './values';

const unknownDevice: Device = { kind: 'unknown' };

/**
 * The device a value stands for, or undefined when it is none (`.to(torch.float16)` casts, it does not move).
 */
export function deviceOf(value: Value): Device | undefined {
  const options = optionsOf(value)
    .filter((option) => option.kind !== 'const' || option.value !== null)
    .map(deviceOfOption);
  const devices = options.filter((device) => device !== undefined);
  if (devices.length === 0) {
    return undefined;
  }
  // `model.device if is_available() else "cpu"`: right on one path at least, and so by intention.
  if (devices.length > 1 && devices.some((device) => device.kind === 'model')) {
    return unknownDevice;
  }
  // `"cuda" if is_available() else …` may reach here half tagged: availability decides, unless somebody else may (`args.device or …`).
  if (devices.some((device) => device.kind === 'availability')) {
    return devices.some((device) => device.kind === 'unknown') ? unknownDevice : { kind: 'availability' };
  }
  const [first] = devices;
  const isOne = devices.length === options.length && devices.every((device) => JSON.stringify(device) === JSON.stringify(first));
  return isOne ? first : unknownDevice;
}

function deviceOfOption(value: Value): Device | undefined {
  switch (value.kind) {
    case 'device':
      return value.device;
    case 'const':
      // A default that callers may replace is configurable, not hard-coded; a CPU default is what happens unless they do.
      if (value.fromDefault && value.value !== 'cpu') {
        return typeof value.value === 'string' ? unknownDevice : undefined;
      }
      return typeof value.value === 'string' || typeof value.value === 'number' ? { kind: 'literal', name: spell(value.value) } : value.value === null ? undefined : unknownDevice;
    case 'module':
      // torch.float16, torch.bfloat16, …: dtypes. Any other library name may hold a device.
      return /^torch\.\w+$/.test(value.path) ? undefined : unknownDevice;
    case 'availability':
      return { kind: 'availability' };
    case 'plain':
    case 'tensor':
      return unknownDevice;
    default:
      return unknownDevice;
  }
}

function spell(name: string | number): string {
  const text = String(name).trim();
  return /^\d+$/.test(text) ? `cuda:${text}` : text;
}

/** `cuda` and `cuda:0` are the same device for a comparison of spellings. */
export function sameSpelling(a: string, b: string): boolean {
  const full = (name: string): string => (name.includes(':') ? name : `${name}:0`);
  return full(a) === full(b);
}

/** What the `device_map` argument says; alternatives where paths differ. */
export function deviceMapsOf(interpreter: Interpreter, value: Value | undefined): readonly DeviceMap[] {
  if (value === undefined) {
    return [{ kind: 'none' }];
  }
  // A default that nobody here overrides is what the reader sees, but callers elsewhere may pass something else.
  return optionsOf(value).flatMap((option): readonly DeviceMap[] => {
    const map = deviceMapOf(interpreter, option);
    return option.kind === 'const' && option.mayDiffer && map.kind === 'multi' ? [{ ...map, mayDiffer: true }] : [map];
  });
}

/** Modules that hold the embedding, which the ids go to. */
const startsModel = /(^|\.)(\w*embed\w*|wte|shared|model|transformer)$/;

function deviceMapOf(interpreter: Interpreter, value: Value): DeviceMap {
  if (value.kind === 'const') {
    if (value.value === null || value.value === false) {
      return { kind: 'none' };
    }
    if (spreadingMaps.has(value.value)) {
      return { kind: 'multi', when: value.when };
    }
    return typeof value.value === 'boolean' ? { kind: 'unknown' } : { kind: 'single', device: { kind: 'literal', name: spell(value.value) } };
  }
  if (value.kind === 'device') {
    return { kind: 'single', device: value.device };
  }
  const object = interpreter.object(value);
  if (object?.kind === 'dict') {
    const whole = object.entries.get('');
    if (whole && object.entries.size === 1) {
      return { kind: 'single', device: deviceOf(whole) ?? unknownDevice };
    }
    const devices = new Set([...object.entries.values()].map((entry) => (entry.kind === 'const' ? String(entry.value) : undefined)));
    const first = [...object.entries].find(([module]) => startsModel.test(module))?.[1];
    return devices.size > 1 && !devices.has(undefined) ? { kind: 'multi', first: first && deviceOf(first) } : { kind: 'unknown' };
  }
  return { kind: 'unknown' };
}

/** True for devices that are not the CPU; an unknown device that someone moved a model to counts as one. */
export function isAccelerator(device: Device): boolean {
  return device.kind !== 'literal' || !/^(cpu|meta|disk)\b/.test(device.name);
}
