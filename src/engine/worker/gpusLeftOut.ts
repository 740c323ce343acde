/** NVIDIA GPUs that the driver shows and that no stage could be given, although the user left the choice to us; and who holds memory on them. */

import { dirname } from 'node:path';
import type { GpuLeftOut } from '../../alignment/facts';
import { deviceId, type DeviceId } from '../../common/deviceId';
import { silentLog } from '../../common/log';
import type { DeviceBudget, PlacementPlan } from '../../common/placement';
import type { LoadOptions } from '../../common/protocol/engine';
import type { ProcessMemory } from '../../common/protocol/monitor';
import { openSources, type DeviceSources } from '../../devices/probe/deviceSources';
import { probeDevices } from '../../devices/probe/probeDevices';
import { locateOrtLibrary } from '../../ort/ortLibrary';

type Request = Pick<LoadOptions, 'provider' | 'deviceMap' | 'includeDevices' | 'excludeDevices' | 'ortLibrary'>;

/**
 * Compares what the driver shows with the budgets that the plan was made of. Empty where a provider or devices were named: that is a choice.
 *
 * @param open  Replaced by tests.
 */
export async function findGpusLeftOut(request: Request, devices: readonly DeviceBudget[], plan: PlacementPlan, open: () => Promise<DeviceSources> = openQuietly): Promise<readonly GpuLeftOut[]> {
  const isChosen = request.provider !== 'auto' || request.includeDevices !== undefined || request.deviceMap.kind === 'map' || (request.deviceMap.kind === 'single' && request.deviceMap.device !== undefined);
  if (isChosen || devices.some(({ provider }) => provider === 'cuda') || plan.stages.some(({ provider }) => provider === 'cuda')) {
    return [];
  }
  const sources = await open();
  try {
    return probeDevices(sources)
      .filter(({ kind, id }) => kind === 'cuda' && request.excludeDevices?.includes(id) !== true)
      .map(({ id, name, notes }) => ({
        device: id,
        name,
        // What the probe found wrong with the device or its driver says more than that the provider is not there.
        reason: notes[0] ?? `The runtime in ${dirname(locateOrtLibrary(request.ortLibrary))} has no CUDA provider beside it.`,
      }));
  } finally {
    sources.close();
  }
}

/** By the driver's word; inside a container it may not know our ids, which are then told as they are. */
export async function gpuProcesses(): Promise<ReadonlyMap<DeviceId, readonly ProcessMemory[]>> {
  const sources = await openQuietly();
  try {
    const { nvidia } = sources;
    return new Map(nvidia.kind !== 'nvml' ? [] : nvidia.gpus.map((gpu, index) => [deviceId('cuda', index), (gpu.device.processes() ?? []).filter(({ pid }) => pid !== process.pid)] as const));
  } finally {
    sources.close();
  }
}

function openQuietly(): Promise<DeviceSources> {
  return openSources({ env: process.env, log: silentLog });
}
