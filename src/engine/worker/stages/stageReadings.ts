/** What loaded stages say of themselves, summed up by device where more than one lies on it. */

import type { DeviceMemoryUse, StageAssignment } from '../../../common/placement';
import { forbiddingVariables } from './attentionKernel';
import type { MemoryReading } from './memoryShortage';
import type { Stage } from './stage';

/** What the runtime really did with each stage. @param hasOwnDecode  Single sequences are decoded with kernels of our own. */
export function assignmentsOf(stages: readonly Stage[], headDim: number, hasOwnDecode: boolean): StageAssignment[] {
  return stages.map((stage) => {
    const assignment = stage.assignment();
    const kernel = stage.parts.device.attentionKernel?.(headDim, stage.parts.precision.kv);
    const forbiddenBy = kernel === 'unfused' ? forbiddingVariables(process.env) : [];
    return kernel === undefined ? assignment : { ...assignment, attention: { prefill: kernel, decode: hasOwnDecode ? 'own' : kernel, ...(forbiddenBy.length === 0 ? {} : { forbiddenBy }) } };
  });
}

/** Bytes by device. */
export function memoryUseOf(stages: readonly Stage[]): DeviceMemoryUse[] {
  const byDevice = new Map<string, DeviceMemoryUse>();
  for (const use of stages.map((stage) => stage.memoryUse())) {
    const sum = byDevice.get(use.device);
    byDevice.set(
      use.device,
      sum === undefined
        ? use
        : {
            device: use.device,
            weightBytes: sum.weightBytes + use.weightBytes,
            kvBytes: sum.kvBytes + use.kvBytes,
            activationBytes: sum.activationBytes === undefined || use.activationBytes === undefined ? undefined : sum.activationBytes + use.activationBytes,
            stagingBytes: sum.stagingBytes + use.stagingBytes,
          },
    );
  }
  return [...byDevice.values()];
}

/** What the drivers count on the GPUs of the stages now. */
export function driverReadings(stages: readonly Stage[]): MemoryReading[] {
  return stages.flatMap(({ parts: { device } }) => (device.memoryReading === undefined ? [] : [{ device: device.id, ...device.memoryReading() }]));
}
