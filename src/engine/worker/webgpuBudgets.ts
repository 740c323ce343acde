/** GPUs that the WebGPU provider can use, as the planner takes them. */

import { freemem, totalmem } from 'node:os';
import { deviceId } from '../../common/deviceId';
import type { DeviceBudget } from '../../common/placement';
import type { LoadOptions } from '../../common/protocol/engine';
import { preferredVulkanAdapter } from '../../ort/vulkanAdapters';

/**
 * The adapter that the provider would choose; it uses one, so one is listed. A software rasteriser is listed only when it was allowed and
 * WebGPU was asked for by name: it must not win over the CPU by itself.
 */
export function listWebgpuBudgets(options: Pick<LoadOptions, 'provider' | 'allowSoftwareGpu'>): Promise<readonly DeviceBudget[]> {
  if (process.platform === 'darwin') {
    // Metal on Apple silicon shares the main memory; the system lets a GPU have about two thirds of it.
    return Promise.resolve([budget('Apple GPU', Math.min(freemem(), (totalmem() * 2) / 3), totalmem())]);
  }
  const best = preferredVulkanAdapter();
  const isUsable = best !== undefined && (best.kind !== 'software' || (options.allowSoftwareGpu && options.provider === 'webgpu'));
  return Promise.resolve(isUsable ? [{ ...budget(best.name, best.freeBytes ?? best.memoryBytes, best.memoryBytes), ...(best.kind === 'software' ? { isSoftware: true } : {}) }] : []);
}

function budget(name: string, freeBytes: number, totalBytes: number): DeviceBudget {
  return { id: deviceId('webgpu'), name, provider: 'webgpu', freeBytes: Math.floor(freeBytes), totalBytes };
}
