/** Gathers what src/alignment compares: the plan, what the runtime made of it, our allocations, and the devices' free memory then and now. */

import type { AlignmentCosts, AlignmentMode } from '../../common/alignment';
import type { DeviceId } from '../../common/deviceId';
import type { DeviceBudget, DeviceMemoryUse } from '../../common/placement';
import type { LoadedModel } from '../../common/protocol/engine';
import type { ProcessMemory } from '../../common/protocol/monitor';
import type { AlignmentFacts, BoundTensor, DriverMemory, GpuLeftOut, OtherModel } from '../../alignment/facts';

/** What a device holds at one moment. */
export interface MemoryMoment {
  /** Free bytes by the driver, by device; devices whose driver does not count are left out. */
  readonly freeBytes: ReadonlyMap<DeviceId, number>;
  readonly ownMemory: readonly DeviceMemoryUse[];
  readonly otherModels: readonly OtherModel[];
  /** Who holds memory, by device; only where someone asked. */
  readonly processes?: ReadonlyMap<DeviceId, readonly ProcessMemory[]>;
}

export interface AlignmentSources {
  readonly loaded: LoadedModel;
  readonly mode: AlignmentMode;
  /** Budgets that the plan was made with. */
  readonly devicesAtPlan: readonly DeviceBudget[];
  /** The same devices, measured after loading. */
  readonly devicesNow: readonly DeviceBudget[];
  /** Where step tensors, hidden states and caches lie, as far as the runner reports it. */
  readonly tensors: readonly BoundTensor[];
  /** Where they were measured. */
  readonly measuredCostMs?: AlignmentCosts;
  /** What other engines of this user hold on GPUs. */
  readonly otherModels: readonly OtherModel[];
  readonly gpusLeftOut?: readonly GpuLeftOut[];
  /** The first reading after loading, and the latest. */
  readonly memoryAtLoad?: MemoryMoment;
  readonly memoryNow?: MemoryMoment;
  /** Some device is a software stand-in for a real one. */
  readonly simulated: boolean;
}

/** What an engine of ours takes on a GPU besides what it counts: context and kernels. */
const engineOverheadBytes = 2 ** 30;

export function alignmentFacts(sources: AlignmentSources): AlignmentFacts {
  const { loaded, mode, devicesNow, tensors, measuredCostMs, otherModels, gpusLeftOut, simulated } = sources;
  return {
    modelName: loaded.description.name,
    mode,
    plan: loaded.plan,
    assignments: loaded.assignments,
    tensors,
    devices: devicesNow,
    memory: loaded.memory,
    driverMemory: [...sinceLoad(sources), ...sincePlan(sources)],
    otherModels,
    attention: loaded.assignments.flatMap(({ stageIndex, attention }) =>
      attention === undefined ? [] : [{ stageIndex, kernel: attention.prefill, ...(attention.forbiddenBy === undefined ? {} : { forbiddenBy: attention.forbiddenBy }) }],
    ),
    ...(gpusLeftOut === undefined || gpusLeftOut.length === 0 ? {} : { gpusLeftOut }),
    ...(measuredCostMs === undefined ? {} : { measuredCostMs }),
    ...(simulated ? { simulated } : {}),
  };
}

/** Main memory is everybody's: what others take of it is no news about this model. */
function gpusOf({ loaded }: AlignmentSources): readonly DeviceId[] {
  return [...new Set(loaded.plan.stages.filter((stage) => stage.provider !== 'cpu').map((stage) => stage.device))];
}

function sincePlan(sources: AlignmentSources): readonly DriverMemory[] {
  const { devicesAtPlan, devicesNow, memoryNow } = sources;
  return gpusOf(sources).flatMap((device): readonly DriverMemory[] => {
    const [before, after] = [devicesAtPlan, devicesNow].map((list) => list.find(({ id }) => id === device));
    return before === undefined || after === undefined ? [] : [{ device, since: 'plan', freeBytesThen: before.freeBytes, freeBytesNow: after.freeBytes, ...processesOn(device, memoryNow) }];
  });
}

function sinceLoad(sources: AlignmentSources): readonly DriverMemory[] {
  const { memoryAtLoad, memoryNow } = sources;
  return gpusOf(sources).flatMap((device): readonly DriverMemory[] => {
    const [freeBytesThen, freeBytesNow] = [memoryAtLoad?.freeBytes.get(device), memoryNow?.freeBytes.get(device)];
    if (memoryAtLoad === undefined || memoryNow === undefined || freeBytesThen === undefined || freeBytesNow === undefined) {
      return [];
    }
    const knownGrowthBytes = Math.max(0, ownBytes(memoryNow, device) - ownBytes(memoryAtLoad, device)) + Math.max(0, othersBytes(memoryNow, device) - othersBytes(memoryAtLoad, device));
    return [{ device, since: 'load', freeBytesThen, freeBytesNow, knownGrowthBytes, ...processesOn(device, memoryNow) }];
  });
}

function processesOn(device: DeviceId, moment: MemoryMoment | undefined): Pick<DriverMemory, 'processes'> {
  const processes = moment?.processes?.get(device);
  return processes === undefined ? {} : { processes };
}

function ownBytes({ ownMemory }: MemoryMoment, device: DeviceId): number {
  return ownMemory.filter((use) => use.device === device).reduce((sum, use) => sum + use.weightBytes + use.kvBytes + use.stagingBytes + (use.activationBytes ?? 0), 0);
}

function othersBytes({ otherModels }: MemoryMoment, device: DeviceId): number {
  return otherModels.filter(({ devices }) => devices.includes(device)).reduce((sum, { bytes }) => sum + (bytes?.[device] ?? 0) + engineOverheadBytes, 0);
}
