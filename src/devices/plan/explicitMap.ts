/** Turns a written device map into one device per layer, with an error for everything that a map can get wrong. */

import { cpuDevice, type DeviceId } from '../../common/deviceId';
import type { DeviceBudget, PlacementWarning } from '../../common/placement';
import { isCpu, listDevices, resolveDeviceName } from './mapDevices';
import { parseModuleName, type ModuleTarget } from './moduleNames';
import { DeviceMapError } from './placementErrors';

export interface ExplicitPlacement {
  /** Device of each layer, by its index in the whole model. */
  readonly layerDevices: readonly DeviceId[];
  readonly warnings: readonly PlacementWarning[];
}

interface MapEntry {
  readonly name: string;
  readonly target: ModuleTarget;
  readonly device: DeviceId;
}

/**
 * Reads a map in our form (`model.layers.0-19`, last layer included) or in the Hugging Face form, also mixed.
 *
 * A name for one layer or a range goes before one for all layers, and that before one for the whole model (`""`, `model`).
 * The embedding always lies with the first layer, norm and head with the last; a map that says otherwise gets a warning.
 * Runs may return to a device (A, B, A): they become several stages.
 *
 * @throws {DeviceMapError} naming the entries or layers at fault.
 */
export function readExplicitMap(map: Readonly<Record<string, string | number>>, numLayers: number, devices: readonly DeviceBudget[]): ExplicitPlacement {
  const entries = Object.entries(map).map(([name, value]) => readEntry(name, value, numLayers, devices));
  const whole = agreed(entries, 'all');
  const allLayers = agreed(entries, 'all-layers') ?? whole;
  const named = new Map<number, MapEntry>();
  for (const entry of entries) {
    if (entry.target.kind !== 'layers') {
      continue;
    }
    for (let layerIndex = entry.target.first; layerIndex <= entry.target.last; layerIndex += 1) {
      const earlier = named.get(layerIndex);
      if (earlier !== undefined && earlier.device !== entry.device) {
        const both = entries.filter(({ target }) => target.kind === 'layers' && target.first <= layerIndex && layerIndex <= target.last);
        throw new DeviceMapError(
          'overlap',
          `The device map puts layer ${layerIndex} on two devices: ${both.map((one) => `"${one.name}" on ${one.device}`).join(', ')}. Name each layer once.`,
          { layerIndex, entries: both.map((one) => one.name) },
        );
      }
      named.set(layerIndex, entry);
    }
  }
  const placed = Array.from({ length: numLayers }, (_, layerIndex) => named.get(layerIndex)?.device ?? allLayers?.device);
  const missing = placed.flatMap((device, layerIndex) => (device === undefined ? [layerIndex] : []));
  if (missing.length > 0) {
    throw new DeviceMapError(
      'gap',
      `The device map has no device for ${describeLayers(missing)} of ${numLayers}. Add ${missing.length === 1 ? 'it' : 'them'}, or name all layers with "model.layers".`,
      { missingLayers: missing },
    );
  }
  const layerDevices = placed as readonly DeviceId[];
  return { layerDevices, warnings: endWarnings(entries, layerDevices) };
}

/** `layer 7`, `layers 0-3, 9`. */
export function describeLayers(layers: readonly number[]): string {
  const parts: string[] = [];
  for (let start = 0; start < layers.length; ) {
    let end = start;
    while (layers[end + 1] === (layers[end] as number) + 1) {
      end += 1;
    }
    parts.push(start === end ? `${layers[start]}` : `${layers[start]}-${layers[end]}`);
    start = end + 1;
  }
  return `${layers.length === 1 ? 'layer' : 'layers'} ${parts.join(', ')}`;
}

function readEntry(name: string, value: string | number, numLayers: number, devices: readonly DeviceBudget[]): MapEntry {
  const target = parseModuleName(name);
  if (target === undefined) {
    throw new DeviceMapError(
      'unknown-module',
      `The device map names "${name}", which GLM models do not have. Expected names such as "model.layers.0-19", "model.layers.0", "model.embed_tokens", "model.norm", "lm_head" or "".`,
      { entry: name },
    );
  }
  if (target.kind === 'inside-layer') {
    throw new DeviceMapError(
      'layer-split',
      `The device map places a part of layer ${target.layerIndex} ("${name}"). A layer stays whole on one device here: use "model.layers.${target.layerIndex}".`,
      { entry: name, layerIndex: target.layerIndex },
    );
  }
  if (target.kind === 'layers' && target.last < target.first) {
    throw new DeviceMapError('layer-out-of-range', `The device map names "${name}", whose last layer comes before its first one. Write it as "model.layers.${target.last}-${target.first}".`, { entry: name, numLayers });
  }
  if (target.kind === 'layers' && target.last >= numLayers) {
    throw new DeviceMapError('layer-out-of-range', `The device map names "${name}", but this model's layers are 0 to ${numLayers - 1}.`, { entry: name, numLayers });
  }
  const device = resolveDeviceName(value, devices, `The device of "${name}" in the device map`);
  if (device === cpuDevice && !devices.some(isCpu)) {
    throw new DeviceMapError(
      'format-not-on-cpu',
      `The device map puts "${name}" on the CPU, which cannot take layers here: it is excluded, or the weights are in a format that only GPUs run (bf16, f16). Use int4, int8 or f32 weights, or ${listDevices(devices)}.`,
      { entry: name, device },
    );
  }
  if (!devices.some(({ id }) => id === device)) {
    throw new DeviceMapError('device-not-available', `The device map puts "${name}" on ${device}, which is not available. Available: ${listDevices(devices)}.`, { entry: name, device });
  }
  return { name, target, device };
}

/** The entry of this kind; several that differ are an overlap. */
function agreed(entries: readonly MapEntry[], kind: 'all' | 'all-layers'): MapEntry | undefined {
  const found = entries.filter((entry) => entry.target.kind === kind);
  const [first] = found;
  if (first !== undefined && found.some((entry) => entry.device !== first.device)) {
    throw new DeviceMapError(
      'overlap',
      `The device map says two things about ${kind === 'all' ? 'the whole model' : 'all layers'}: ${found.map((one) => `"${one.name}" on ${one.device}`).join(', ')}. Keep one of them.`,
      { entries: found.map((one) => one.name) },
    );
  }
  return first;
}

function endWarnings(entries: readonly MapEntry[], layerDevices: readonly DeviceId[]): readonly PlacementWarning[] {
  const ends = [
    { kind: 'embedding', code: 'map-embedding-moved', layerDevice: layerDevices[0], neighbour: 'the first layer' },
    { kind: 'head', code: 'map-head-moved', layerDevice: layerDevices.at(-1), neighbour: 'the last layer' },
  ] as const;
  return ends.flatMap(({ kind, code, layerDevice, neighbour }) =>
    entries
      .filter((entry) => entry.target.kind === kind && entry.device !== layerDevice)
      .map((entry) => ({
        code,
        message: `"${entry.name}" is placed with ${neighbour} on ${layerDevice}, not on ${entry.device} as the device map says: it runs right beside that layer, and apart from it every token would cross between devices once more.`,
      })),
  );
}
