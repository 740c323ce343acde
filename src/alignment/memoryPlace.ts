/** From the runtime's memory names to our device names. */

import { cpuDevice, deviceId, deviceIndex, deviceKind, type DeviceId } from '../common/deviceId';

/**
 * The device that a memory name such as `Cpu`, `Cuda:1`, `CUDAPinned` or `WebGPU_Buf` stands for; pinned memory is the host's.
 * A name without a number means the stage's own device of that kind. Undefined for a name we do not know: then nothing is claimed.
 */
export function memoryDevice(memoryName: string, stageDevice: DeviceId): DeviceId | undefined {
  const [, name = '', index] = /^([^:]*?)(?::(\d+))?$/.exec(memoryName.trim()) ?? [];
  const lower = name.toLowerCase();
  if (lower.startsWith('cpu') || lower.includes('pinned') || lower.startsWith('ortpinned')) {
    return cpuDevice;
  }
  const kind = lower.startsWith('cuda') || lower === 'gpu' ? 'cuda' : lower.startsWith('webgpu') ? 'webgpu' : undefined;
  if (kind === undefined) {
    return undefined;
  }
  const own = deviceKind(stageDevice) === kind ? deviceIndex(stageDevice) : 0;
  // WebGPU memory always carries the number 0, whichever adapter it belongs to.
  return deviceId(kind, index === undefined || kind === 'webgpu' ? own : Number(index));
}
