/** The NVIDIA GPUs that the CUDA provider of this installation can use, with free bytes measured now. */

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { DeviceId } from '../../common/deviceId';
import { silentLog } from '../../common/log';
import type { DeviceBudget } from '../../common/placement';
import { openSources } from '../../devices/probe/deviceSources';
import { probeDevices } from '../../devices/probe/probeDevices';
import { locateOrtLibrary } from '../../ort/ortLibrary';
import { measureBandwidth } from './copyBandwidth';
import type { BudgetSource } from './deviceBudgets';
import { withMeasuredSpeeds } from './unequalGpus';

const measuredSpeeds = new Map<DeviceId, number>();

/**
 * None where the runtime's CUDA provider library does not lie beside libonnxruntime: then these GPUs can't run a stage ("Set Up CUDA" changes that).
 * The numbering is CUDA's, since the engine runs with CUDA_DEVICE_ORDER=PCI_BUS_ID.
 */
export const listCudaBudgets: BudgetSource = async (options) => {
  const provider = process.platform === 'win32' ? 'onnxruntime_providers_cuda.dll' : 'libonnxruntime_providers_cuda.so';
  if (!existsSync(join(dirname(locateOrtLibrary(options.ortLibrary)), provider))) {
    return [];
  }
  const sources = await openSources({ env: process.env, log: silentLog });
  try {
    const budgets = probeDevices(sources).flatMap((device): DeviceBudget[] =>
      device.kind === 'cuda' && device.freeBytes !== undefined ? [{ id: device.id, name: device.name, provider: 'cuda', freeBytes: device.freeBytes, totalBytes: device.totalBytes }] : [],
    );
    return await withMeasuredSpeeds(budgets, (devices) => measureBandwidth(devices, undefined, silentLog, new AbortController().signal), measuredSpeeds);
  } finally {
    sources.close();
  }
};
