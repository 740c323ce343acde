/** What is proven about a model that accelerate may have spread over devices: on which ways through the program, and by whom it was placed elsewhere. */
import { sameSpelling } from './devices';
import type { Device, DeviceMap, ModelObject } from './values';

/**
 * `always`: every way that loads the model gives a map that spreads it.
 * `whereGpusAre`: one way does, and the others leave the model on the CPU, untouched (`device_map="auto" if torch.cuda.is_available() else None`).
 * `sometimes`: other ways place it by hand, on one device, or where nobody can see.
 */
export type Dispatch = 'never' | 'sometimes' | 'whereGpusAre' | 'always';

export function dispatchOf(model: ModelObject): Dispatch {
  if (model.library === 'foreign' || !model.deviceMaps.some(spreads)) {
    return 'never';
  }
  if (model.deviceMaps.every(spreads)) {
    return 'always';
  }
  return isUntouched(model) && model.deviceMaps.every((map) => spreads(map) || isForHost(map)) ? 'whereGpusAre' : 'sometimes';
}

/** Every way leaves the model on the CPU, or is for runs without a CUDA GPU. */
export function staysOnHost(model: ModelObject): boolean {
  return model.isForHost || (isUntouched(model) && model.deviceMaps.every(isForHost));
}

function isUntouched(model: ModelObject): boolean {
  return model.placements.every((placement) => placement === 'unplaced' || isHost(placement));
}

function spreads(map: DeviceMap): boolean {
  return map.kind === 'multi';
}

function isHost(device: Device): boolean {
  return (device.kind === 'literal' || device.kind === 'availability') && device.name === 'cpu';
}

function isForHost(map: DeviceMap): boolean {
  return map.kind === 'none' || (map.kind === 'single' && isHost(map.device));
}

/** Some way through the program puts the model, or where it starts, on this very device: by a map that names it or by hand. It may be one that cannot be seen. */
export function isPutOn(model: ModelObject, device: Device): boolean {
  const mapped = model.deviceMaps.flatMap((map) => (map.kind === 'single' ? [map.device] : map.kind === 'multi' && map.first ? [map.first] : []));
  const moved = model.placements.filter((placement) => placement !== 'unplaced');
  return [...mapped, ...moved].some((other) => mayAgree(other, device) || other.kind === 'unknown');
}

/** Every way moves it by hand to this very device, whatever its map said. */
export function isTakenTo(model: ModelObject, device: Device): boolean {
  return model.placements.every((placement) => placement !== 'unplaced' && mayAgree(placement, device));
}

/** A map that names a device for each module starts on this one, or there is no other GPU that it could start on. */
export function startsOn(model: ModelObject, device: Device): boolean {
  const isOnlyGpu = device.kind === 'availability' || (device.kind === 'literal' && sameSpelling(device.name, 'cuda'));
  return model.deviceMaps.some((map) => map.kind === 'multi' && ((map.first !== undefined && areAlike(map.first, device)) || (map.hasOneGpu === true && isOnlyGpu)));
}

/** `device` from `is_available()` is "cuda" wherever there is a GPU. */
function mayAgree(a: Device, b: Device): boolean {
  const isFirstGpu = (device: Device): boolean => device.kind === 'availability' || (device.kind === 'literal' && sameSpelling(device.name, 'cuda'));
  return areAlike(a, b) || (isFirstGpu(a) && isFirstGpu(b));
}

export function areAlike(a: Device, b: Device): boolean {
  return a.kind === 'literal' && b.kind === 'literal' ? sameSpelling(a.name, b.name) : a.kind === 'availability' && b.kind === 'availability';
}
