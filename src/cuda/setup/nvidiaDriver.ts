/** The NVIDIA driver's version, and whether it is new enough for CUDA 13. */

import { readFile } from 'node:fs/promises';

/** CUDA 13.0 came with driver 580 on Linux and Windows. */
export const oldestDriver = 580;

export type DriverStatus =
  | { readonly state: 'ok' | 'too-old'; readonly version: string; readonly message: string }
  | { readonly state: 'missing'; readonly message: string };

/** @param version  As NVML or nvidia-smi reports it, such as `580.95.05`; undefined when no driver answered. */
export function judgeDriver(version: string | undefined): DriverStatus {
  if (version === undefined || !/^\d+\./.test(version)) {
    return { state: 'missing', message: 'No NVIDIA driver was found. Install driver 580 or newer from nvidia.com/drivers, or use the WebGPU provider.' };
  }
  const major = Number(version.split('.')[0]);
  return major >= oldestDriver
    ? { state: 'ok', version, message: `NVIDIA driver ${version}.` }
    : {
        state: 'too-old',
        version,
        message: `NVIDIA driver ${version} is too old: CUDA 13 needs ${oldestDriver} or newer. Update the driver from nvidia.com/drivers, or use the WebGPU provider, which works with this one.`,
      };
}

/** The version that Linux' kernel module reports; undefined elsewhere, and in WSL, where only NVML knows. */
export async function readKernelDriverVersion(path = '/proc/driver/nvidia/version'): Promise<string | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return /^NVRM version:.*?\s(\d{3}\.\d+(?:\.\d+)?)\s/m.exec(text)?.[1];
}
