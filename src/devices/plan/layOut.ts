/** One layout per kind of request, all of them cuts of the same layers over the same slots. */

import type { DeviceBudget, DeviceMapRequest, MemoryNeed, PlacementWarning } from '../../common/placement';
import { cutLayers, type CutRequest, type LayerRun, type RunCost } from './cutLayers';
import { readExplicitMap } from './explicitMap';
import { isCpu, listDevices } from './mapDevices';
import { DeviceMapError, type DeviceShortfall } from './placementErrors';
import { layerRunBytes, runBytes, stageBytes, type PlanSlot } from './planSlot';
import { neededBytes, runsFit } from './runsOnDevices';

export interface LayoutInput {
  /** GPUs in device order, then the CPU. */
  readonly slots: readonly PlanSlot[];
  readonly numLayers: number;
  readonly need: MemoryNeed;
  readonly numStages?: number;
  /** The slots' devices, for messages. */
  readonly devices: readonly DeviceBudget[];
}

/** `slotIndex` counts in `LayoutInput.slots`. */
export interface Layout {
  readonly runs: readonly LayerRun[];
  readonly warnings: readonly PlacementWarning[];
}

/** More GPUs than this are not searched by subset but taken from the fastest on. */
const mostGpusForSubsets = 10;

/** The layout for a request, or undefined when it does not fit. */
export function layOut(input: LayoutInput, request: DeviceMapRequest): Layout | undefined {
  const runs = layOutRuns(input, request);
  return runs === undefined ? undefined : { runs, warnings: request.kind === 'map' ? mapRuns(input, request.map).warnings : [] };
}

/** Whether the request fits at all; cheaper than the layout, and true exactly when there is one. */
export function fits(input: LayoutInput, request: DeviceMapRequest): boolean {
  return layOutRuns(input, request.kind === 'auto' ? { kind: 'balanced' } : request) !== undefined;
}

/** What each device lacks in the layout that overloads the worst one least. */
export function findShortfalls(input: LayoutInput, request: DeviceMapRequest): readonly DeviceShortfall[] {
  const excess: RunCost = (slotIndex, first, end, numStages) => {
    const slot = input.slots[slotIndex] as PlanSlot;
    return runBytes(slot, input.need, first, end, numStages) - slot.budgetBytes;
  };
  let runs: readonly LayerRun[] | undefined;
  if (request.kind === 'map') {
    runs = mapRuns(input, request.map).runs;
  } else if (request.kind === 'single') {
    const candidates = singleCandidates(input, request).map((slotIndex) => wholeRun(input, slotIndex));
    runs = candidates.sort((a, b) => excess(a.slotIndex, a.first, a.end, a.numStages) - excess(b.slotIndex, b.first, b.end, b.numStages)).slice(0, 1);
  } else {
    runs = cut(input, input.slots.map((_, slotIndex) => slotIndex), { cost: excess, prefer: 'even' });
  }
  return input.slots.flatMap((slot, slotIndex) => {
    const needed = neededBytes(slot, slotIndex, runs ?? [], input.need);
    return needed === 0 ? [] : [{ device: slot.device.id, neededBytes: needed, budgetBytes: slot.budgetBytes, shortfallBytes: Math.max(0, needed - slot.budgetBytes) }];
  });
}

function layOutRuns(input: LayoutInput, request: DeviceMapRequest): readonly LayerRun[] | undefined {
  const all = input.slots.map((_, slotIndex) => slotIndex);
  const gpus = all.filter((slotIndex) => !isCpu((input.slots[slotIndex] as PlanSlot).device));
  switch (request.kind) {
    case 'auto':
      return fewestGpus(input, gpus) ?? offload(input, all);
    case 'balanced':
      return cut(input, gpus, { cost: slowestStage(input), prefer: 'even' }) ?? offload(input, all);
    case 'sequential':
      return cut(input, all, { cost: fitOnly(input), prefer: 'fill' });
    case 'single':
      return singleCandidates(input, request)
        .map((slotIndex) => [wholeRun(input, slotIndex)])
        .find((runs) => runsFit(input.slots, runs, input.need));
    case 'map': {
      const { runs } = mapRuns(input, request.map);
      return runsFit(input.slots, runs, input.need) ? runs : undefined;
    }
    default:
      return request satisfies never;
  }
}

/** 0 for a run that its device can hold, else Infinity. */
function fitOnly(input: LayoutInput): RunCost {
  return (slotIndex, first, end, numStages) => {
    const slot = input.slots[slotIndex] as PlanSlot;
    return runBytes(slot, input.need, first, end, numStages) <= slot.budgetBytes ? 0 : Infinity;
  };
}

/** Bytes that a token reads in a run, over the device's speed; devices never measured count as fast as the mean of the others. */
function slowestStage(input: LayoutInput): RunCost {
  const known = input.slots.flatMap((slot) => slot.device.bandwidthBytesPerSecond ?? []);
  const usual = known.length === 0 ? 1 : known.reduce((sum, value) => sum + value, 0) / known.length;
  const possible = fitOnly(input);
  return (slotIndex, first, end, numStages) => {
    const slot = input.slots[slotIndex] as PlanSlot;
    const bytes = stageBytes(slot, input.need, first, end);
    const time = (bytes.weightBytes + bytes.kvBytes) / (slot.device.bandwidthBytesPerSecond ?? usual);
    return Math.max(time, possible(slotIndex, first, end, numStages));
  };
}

/** Cuts over the slots named, in the order named. */
function cut(input: LayoutInput, slotIndexes: readonly number[], how: Pick<CutRequest, 'cost' | 'prefer'>): readonly LayerRun[] | undefined {
  const runs = cutLayers({
    numSlots: slotIndexes.length,
    numLayers: input.numLayers,
    numStages: input.numStages,
    prefer: how.prefer,
    cost: (position, first, end, numStages) => how.cost(slotIndexes[position] as number, first, end, numStages),
  });
  return runs?.map((run) => ({ ...run, slotIndex: slotIndexes[run.slotIndex] as number }));
}

/** The fewest GPUs that hold everything; among as many, the fastest, then those with most room, then the first. */
function fewestGpus(input: LayoutInput, gpus: readonly number[]): readonly LayerRun[] | undefined {
  const speed = (set: readonly number[]): number => set.reduce((sum, slotIndex) => sum + (input.slots[slotIndex]?.device.bandwidthBytesPerSecond ?? 0), 0);
  const room = (set: readonly number[]): number => set.reduce((sum, slotIndex) => sum + (input.slots[slotIndex]?.budgetBytes ?? 0), 0);
  const better = (a: readonly number[], b: readonly number[]): number => speed(b) - speed(a) || room(b) - room(a);
  const cost = slowestStage(input);
  for (let count = 1; count <= gpus.length; count += 1) {
    const sets = gpus.length <= mostGpusForSubsets ? subsets(gpus, count) : [[...gpus].sort((a, b) => better([a], [b])).slice(0, count).sort((a, b) => a - b)];
    for (const set of [...sets].filter((candidate) => room(candidate) >= leastBytes(input)).sort(better)) {
      const runs = cut(input, set, { cost, prefer: 'even' });
      if (runs !== undefined) {
        return runs;
      }
    }
  }
  return undefined;
}

/** Weights and KV cache of the whole model: no set of devices with less room needs to be tried. */
function leastBytes(input: LayoutInput): number {
  const [slot] = input.slots;
  const whole = slot === undefined ? undefined : stageBytes(slot, input.need, 0, input.numLayers);
  return whole === undefined ? 0 : whole.weightBytes + whole.kvBytes;
}

/** The CPU takes as few layers as possible, before or after the GPUs, whichever lets it read fewer bytes per token. */
function offload(input: LayoutInput, all: readonly number[]): readonly LayerRun[] | undefined {
  const cpu = all.find((slotIndex) => isCpu((input.slots[slotIndex] as PlanSlot).device));
  if (cpu === undefined) {
    return undefined;
  }
  const gpus = all.filter((slotIndex) => slotIndex !== cpu);
  const cpuSlot = input.slots[cpu] as PlanSlot;
  const even = slowestStage(input);
  const possible = fitOnly(input);
  const candidates = [[...gpus, cpu], [cpu, ...gpus]].flatMap((order) => {
    const cutWith = (mostCpuLayers: number): readonly LayerRun[] | undefined =>
      cut(input, order, {
        prefer: 'even',
        cost: (slotIndex, first, end, numStages) => {
          if (slotIndex !== cpu) {
            return even(slotIndex, first, end, numStages);
          }
          return end - first <= mostCpuLayers ? possible(slotIndex, first, end, numStages) : Infinity;
        },
      });
    if (cutWith(input.numLayers) === undefined) {
      return [];
    }
    let enough = input.numLayers;
    let tooFew = 0;
    while (enough - tooFew > 1) {
      const middle = Math.floor((enough + tooFew) / 2);
      if (cutWith(middle) === undefined) {
        tooFew = middle;
      } else {
        enough = middle;
      }
    }
    const runs = cutWith(enough) ?? [];
    const readBytes = runs
      .filter((run) => run.slotIndex === cpu)
      .reduce((sum, run) => sum + layerRunBytes(cpuSlot, run.first, run.end) + (run.end === input.numLayers ? cpuSlot.sizes.headBytes : 0), 0);
    return [{ runs, readBytes }];
  });
  return candidates.sort((a, b) => a.readBytes - b.readBytes)[0]?.runs;
}

/** Slots for a model in one piece, best first: the one asked for, else GPUs by speed and room, the CPU only when there is no GPU. */
function singleCandidates(input: LayoutInput, request: Extract<DeviceMapRequest, { kind: 'single' }>): readonly number[] {
  const all = input.slots.map((_, slotIndex) => slotIndex);
  const device = (slotIndex: number): DeviceBudget => (input.slots[slotIndex] as PlanSlot).device;
  if (request.device !== undefined) {
    const found = all.filter((slotIndex) => device(slotIndex).id === request.device);
    if (found.length === 0) {
      throw new DeviceMapError('device-not-available', `${request.device} is not available. Available: ${listDevices(input.devices)}.`, { device: request.device });
    }
    return found;
  }
  const gpus = all.filter((slotIndex) => !isCpu(device(slotIndex)));
  return (gpus.length > 0 ? gpus : all).sort(
    (a, b) =>
      (device(b).bandwidthBytesPerSecond ?? 0) - (device(a).bandwidthBytesPerSecond ?? 0) ||
      (input.slots[b]?.budgetBytes ?? 0) - (input.slots[a]?.budgetBytes ?? 0),
  );
}

const wholeRun = (input: LayoutInput, slotIndex: number): LayerRun => ({ slotIndex, first: 0, end: input.numLayers, numStages: input.numStages ?? 1 });

function mapRuns(input: LayoutInput, map: Readonly<Record<string, string | number>>): Layout {
  const { layerDevices, warnings } = readExplicitMap(map, input.numLayers, input.devices);
  const runs: LayerRun[] = [];
  for (const [layerIndex, device] of layerDevices.entries()) {
    const slotIndex = input.slots.findIndex((slot) => slot.device.id === device);
    const last = runs.at(-1);
    if (last?.slotIndex === slotIndex) {
      runs[runs.length - 1] = { ...last, end: layerIndex + 1 };
    } else {
      runs.push({ slotIndex, first: layerIndex, end: layerIndex + 1, numStages: 1 });
    }
  }
  return { runs: splitLongest(runs, input.numStages), warnings };
}

/** Adds stages to the longest runs until there are `numStages`. */
function splitLongest(runs: readonly LayerRun[], numStages: number | undefined): readonly LayerRun[] {
  if (numStages === undefined) {
    return runs;
  }
  if (numStages < runs.length) {
    throw new DeviceMapError('stage-count', `The device map makes ${runs.length} stages, but ${numStages} were asked for. Leave the number of stages out, or ask for at least ${runs.length}.`, {
      numStages,
      mapStages: runs.length,
    });
  }
  const split = [...runs];
  for (let count = runs.length; count < numStages; count += 1) {
    const layersPerStage = split.map((run) => (run.end - run.first) / run.numStages);
    const longest = layersPerStage.indexOf(Math.max(...layersPerStage));
    const run = split[longest] as LayerRun;
    split[longest] = { ...run, numStages: run.numStages + 1 };
  }
  return split;
}

/** All sets of `count` items, in order. */
function subsets(items: readonly number[], count: number): readonly (readonly number[])[] {
  if (count === 0) {
    return [[]];
  }
  return items.flatMap((item, index) => subsets(items.slice(index + 1), count - 1).map((set) => [item, ...set]));
}
