/** The planner: from sizes, free bytes and a request to stages. Pure; reads no hardware. */

import { formatBytes } from '../../common/byteFormat';
import { GlmError } from '../../common/errors';
import type {
  DeviceBudget,
  DeviceMapRequest,
  MemoryNeed,
  ModelSizes,
  PlacementFormats,
  PlacementLimits,
  PlacementPlan,
  PlacementWarning,
  StagePlacement,
} from '../../common/placement';
import type { LayerRun } from './cutLayers';
import { eligibleSlots, limitsWithoutDevice } from './eligibleSlots';
import { describeLayers } from './explicitMap';
import { findShortfalls, fits, layOut, type LayoutInput } from './layOut';
import { isCpu, listDevices } from './mapDevices';
import { ModelDoesNotFitError } from './placementErrors';
import { layerRunBytes, splitRun, stageBytes, type PlanSlot } from './planSlot';
import { runsFit } from './runsOnDevices';

/** Searched no further when no `maxContextTokens` is given. */
const longestContextTokens = 2 ** 24;

/**
 * Decides which device runs which layers.
 *
 * A stage pays for its layers' weights, `kvBytesPerTokenPerLayer * contextTokens * maxBatch` for each layer and one arena of activations; a device
 * pays `headroomBytes` once. The first stage also pays for the embedding, the last for norm and head. GLM-4-9B in bf16: 2 * 2 KV heads * 128 * 2 B = 1,024 B per token and layer.
 *
 * - `auto`: the fewest GPUs that hold everything, among those the fastest, cut as `balanced`; the CPU takes layers only when all GPUs are too small, as few as possible.
 * - `balanced`: over all GPUs so that the slowest stage is as fast as possible: by bytes, divided by measured bandwidth where that is known.
 * - `sequential`: fills the devices in the order given, GPUs first.
 * - `single`: one device, or an error.
 * - `map`: as written; see `readExplicitMap`.
 *
 * @param devices  In device order; `freeBytes` as just measured, not the card's total. GPUs of one provider, and the CPU if it may be used.
 * @param formats  `formats.cpu` gives the CPU sizes of its own, for weights that only a GPU can run.
 * @returns        Every layer exactly once, in order; no device above its free bytes or the user's limit.
 * @throws {ModelDoesNotFitError} with the shortfall of each device and `largestContextTokens` (0 when weights and runtime alone are too big).
 * @throws {DeviceMapError} for a map or setting that contradicts itself or the machine.
 * @throws {NoUsableDeviceError} when nothing is left after include and exclude.
 */
export function planPlacement(
  sizes: ModelSizes,
  devices: readonly DeviceBudget[],
  need: MemoryNeed,
  request: DeviceMapRequest,
  formats: PlacementFormats,
  limits: PlacementLimits = {},
): PlacementPlan {
  assertSizes(sizes, need, limits);
  const slots = eligibleSlots(sizes, devices, formats, limits);
  const input: LayoutInput = { slots, numLayers: sizes.numLayers, need, numStages: limits.numStages, devices: slots.map((slot) => slot.device) };
  const layout = layOut(input, request);
  // A context beyond the model's own that fits says that its limit is not wanted as one: then memory alone bounds the figure.
  const modelCap = Math.max(limits.maxContextTokens ?? longestContextTokens, 1);
  const cap = layout !== undefined && need.contextTokens > modelCap ? Math.max(longestContextTokens, need.contextTokens) : modelCap;
  const largest = (isPossible: (contextTokens: number) => boolean): number => largestInteger(cap, isPossible);
  const withContext = (contextTokens: number): LayoutInput => ({ ...input, need: { ...need, contextTokens } });
  const largestContextTokens = largest((contextTokens) => fits(withContext(contextTokens), request));
  if (layout === undefined) {
    throw new ModelDoesNotFitError(findShortfalls(input, request), need.contextTokens, largestContextTokens, formats.weightFormat, need.headroomBytes);
  }
  const stages = toStages(slots, layout.runs, sizes.numLayers, need, formats);
  return {
    stages,
    weightFormat: formats.weightFormat,
    kvFormat: formats.kvFormat,
    contextTokens: need.contextTokens,
    largestContextTokens,
    largestContextAsPlacedTokens: largest((contextTokens) => runsFit(slots, layout.runs, { ...need, contextTokens })),
    warnings: [...layout.warnings, ...offloadWarnings(slots, stages, request), ...unusedWarnings(input.devices, stages, request), ...limitWarnings(devices, limits)],
  };
}

function toStages(slots: readonly PlanSlot[], runs: readonly LayerRun[], numLayers: number, need: MemoryNeed, formats: PlacementFormats): readonly StagePlacement[] {
  const cuts = runs.flatMap((run) => splitRun(run.first, run.end, run.numStages).map(([first, end]) => ({ slot: slots[run.slotIndex] as PlanSlot, first, end })));
  return cuts.map(({ slot, first, end }, stageIndex) => ({
    stageIndex,
    device: slot.device.id,
    provider: slot.device.provider,
    firstLayer: first,
    endLayer: end,
    hasEmbedding: first === 0,
    hasHead: end === numLayers,
    ...stageBytes(slot, need, first, end),
    ...(slot.weightFormat === formats.weightFormat ? {} : { weightFormat: slot.weightFormat }),
    ...(slot.kvFormat === formats.kvFormat ? {} : { kvFormat: slot.kvFormat }),
  }));
}

function offloadWarnings(slots: readonly PlanSlot[], stages: readonly StagePlacement[], request: DeviceMapRequest): readonly PlacementWarning[] {
  const cpu = slots.find((slot) => isCpu(slot.device));
  const gpus = slots.filter((slot) => !isCpu(slot.device)).map((slot) => slot.device);
  const onCpu = stages.filter((stage) => stage.provider === 'cpu');
  if (cpu === undefined || gpus.length === 0 || onCpu.length === 0) {
    return [];
  }
  const layers = onCpu.flatMap((stage) => Array.from({ length: stage.endLayer - stage.firstLayer }, (_, offset) => stage.firstLayer + offset));
  const bytes = onCpu.reduce((sum, stage) => sum + layerRunBytes(cpu, stage.firstLayer, stage.endLayer), 0);
  const isInt4 = slots.every((slot) => slot.weightFormat === 'int4');
  const isLimited = slots.some((slot) => !isCpu(slot.device) && slot.budgetBytes < slot.device.freeBytes);
  const room = isLimited ? 'raise the memory limit' : 'free GPU memory';
  const advice = request.kind === 'map' ? 'The device map says so; name a GPU there.' : `Lower the context${isInt4 ? '' : ', use int4 weights,'} or ${room}.`;
  return [
    {
      code: 'stage-on-cpu',
      message: `${layers.length} of ${cpu.sizes.numLayers} layers (${describeLayers(layers)}, ${formatBytes(bytes)}) ${layers.length === 1 ? 'runs' : 'run'} on the CPU, not on ${listDevices(gpus)}. Every token waits for ${layers.length === 1 ? 'it' : 'them'}. ${advice}`,
    },
  ];
}

function limitWarnings(devices: readonly DeviceBudget[], limits: PlacementLimits): readonly PlacementWarning[] {
  return limitsWithoutDevice(devices, limits).map((id) => ({ code: 'limit-without-device', message: `The memory limit for ${id} limits nothing: there is no such device. Available: ${listDevices(devices)}.` }));
}

/** `balanced` and `sequential` promise to use what is there: a GPU that got nothing is named. */
function unusedWarnings(devices: readonly DeviceBudget[], stages: readonly StagePlacement[], request: DeviceMapRequest): readonly PlacementWarning[] {
  if (request.kind !== 'balanced') {
    return [];
  }
  return devices
    .filter((device) => !isCpu(device) && !stages.some((stage) => stage.device === device.id))
    .map((device) => ({ code: 'device-unused', message: `${device.id} gets no layers: none fits in its ${formatBytes(device.freeBytes)} of free memory, or the others are faster without it.` }));
}

/** The largest value from 1 to `cap` that is possible, 0 when not even 1 is. Possible values form a run from 1 up. */
function largestInteger(cap: number, isPossible: (value: number) => boolean): number {
  let possible = 0;
  let impossible = cap + 1;
  if (isPossible(cap)) {
    return cap;
  }
  while (impossible - possible > 1) {
    const middle = Math.floor((possible + impossible) / 2);
    if (isPossible(middle)) {
      possible = middle;
    } else {
      impossible = middle;
    }
  }
  return possible;
}

function assertSizes(sizes: ModelSizes, need: MemoryNeed, limits: PlacementLimits): void {
  if (sizes.numLayers < 1 || sizes.layerBytes.length !== sizes.numLayers) {
    throw new GlmError('bad-plan-input', `Expected bytes for each of ${sizes.numLayers} layers, got ${sizes.layerBytes.length} entries.`);
  }
  for (const [name, value] of Object.entries({ contextTokens: need.contextTokens, maxBatch: need.maxBatch, prefillChunkTokens: need.prefillChunkTokens })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new GlmError('bad-plan-input', `Expected ${name} to be a whole number of at least 1, got ${value}.`);
    }
  }
  const { numStages } = limits;
  if (numStages !== undefined && (!Number.isInteger(numStages) || numStages < 1 || numStages > sizes.numLayers)) {
    throw new GlmError('bad-plan-input', `Expected the number of stages to be between 1 and the model's ${sizes.numLayers} layers, got ${numStages}.`);
  }
}
