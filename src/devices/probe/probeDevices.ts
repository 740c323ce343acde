/** The list of devices that exist here, each with where its readings come from and what is missing. */

import { deviceId } from '../../common/deviceId';
import type { DeviceDescription } from '../../common/protocol/monitor';
import { describeCpu } from './cpuProbe';
import type { DeviceSources } from './deviceSources';
import type { SmiRow } from './nvidiaSmi';
import { NvmlDeviceLostError, type Nvml } from './nvmlApi';
import type { SysfsGpu } from './sysfsGpus';
import type { SystemFiles } from './systemFiles';
import type { VisibleGpu } from './visibleGpus';

/** CUDA 13, which the CUDA provider is built for, starts with this driver. */
const oldestDriverForCuda13 = 580;

/**
 * NVIDIA GPUs as `cuda:0…` in CUDA's order, then AMD and Intel GPUs as `webgpu:0…` in the kernel's order, then the CPU.
 * What could not be looked at at all is told in the CPU's notes, since the CPU is always there.
 */
export function probeDevices(sources: DeviceSources): readonly DeviceDescription[] {
  const { nvidia, files } = sources;
  return [
    ...(nvidia.kind === 'nvml' ? nvidia.gpus.map((gpu, index) => describeNvmlGpu(nvidia.nvml, gpu, index)) : []),
    ...(nvidia.kind === 'nvidia-smi' ? nvidia.rows.map(describeSmiRow) : []),
    ...sources.sysfsGpus.map((gpu, index) => describeSysfsGpu(files, gpu, index)),
    describeCpu(files, nvidia.notes),
  ];
}

function describeNvmlGpu(nvml: Nvml, gpu: VisibleGpu, index: number): DeviceDescription {
  const id = deviceId('cuda', index);
  const base = { id, kind: 'cuda', source: 'NVML', driverVersion: nvml.driverVersion } as const;
  try {
    const memory = gpu.device.memory();
    return {
      ...base,
      name: gpu.device.name() ?? gpu.card?.name() ?? 'NVIDIA GPU',
      totalBytes: memory?.totalBytes,
      freeBytes: memory?.freeBytes,
      pciBusId: (gpu.card ?? gpu.device).pciBusId(),
      uuid: gpu.device.uuid(),
      notes: [...gpu.notes, ...driverNotes(nvml.driverVersion, nvml.cudaVersion)],
    };
  } catch (error) {
    if (error instanceof NvmlDeviceLostError) {
      return { ...base, name: 'NVIDIA GPU', notes: [`${id} is lost. ${error.message}`] };
    }
    throw error;
  }
}

function describeSmiRow(row: SmiRow, index: number): DeviceDescription {
  return {
    id: deviceId('cuda', index),
    kind: 'cuda',
    name: row.name ?? 'NVIDIA GPU',
    totalBytes: row.totalBytes,
    freeBytes: row.freeBytes,
    driverVersion: row.driverVersion,
    pciBusId: row.pciBusId,
    uuid: row.uuid,
    source: 'nvidia-smi',
    notes: [...(row.lost === undefined ? [] : [`${row.lost}.`]), ...driverNotes(row.driverVersion, undefined)],
  };
}

function describeSysfsGpu(files: SystemFiles, gpu: SysfsGpu, index: number): DeviceDescription {
  const usedBytes = files.readNumber(`${gpu.card}/device/mem_info_vram_used`);
  return {
    id: deviceId('webgpu', index),
    kind: gpu.kind,
    name: gpu.name,
    totalBytes: gpu.totalBytes,
    freeBytes: gpu.totalBytes !== undefined && usedBytes !== undefined ? gpu.totalBytes - usedBytes : undefined,
    pciBusId: gpu.pciBusId,
    source: 'sysfs',
    notes: [
      'Used through WebGPU; numbered in the order of the kernel, which the WebGPU runtime need not share.',
      ...(gpu.kind === 'intel' ? ["The kernel's files give no utilisation and no free memory for Intel GPUs."] : []),
    ],
  };
}

function driverNotes(driverVersion: string | undefined, cudaVersion: string | undefined): readonly string[] {
  const major = Number(driverVersion?.split('.')[0]);
  if (!(major < oldestDriverForCuda13)) {
    return [];
  }
  const supports = cudaVersion === undefined ? '' : ` (up to CUDA ${cudaVersion})`;
  return [`Driver ${driverVersion}${supports} is older than ${oldestDriverForCuda13}, which the CUDA 13 provider needs. Update the driver, or use WebGPU.`];
}
