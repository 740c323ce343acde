/** The CPU and its memory, as far as this process may use them. */

import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { formatBytes } from '../../common/byteFormat';
import { cpuDevice } from '../../common/deviceId';
import type { DeviceDescription } from '../../common/protocol/monitor';
import { readCgroupCpus, readCgroupMemory } from './cgroupLimits';
import type { SystemFiles } from './systemFiles';

export interface MainMemory {
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** Set when a container's limit, not the machine, decides. */
  readonly limitedByCgroup: boolean;
}

/** Total and free memory: /proc/meminfo or the portable figures, cut by the container's limit. Free counts page cache that can be dropped. */
export function readMainMemory(files: SystemFiles): MainMemory {
  const meminfo = files.readText('proc/meminfo');
  const kibibytes = (name: string): number | undefined => {
    const value = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(meminfo ?? '')?.[1];
    return value === undefined ? undefined : Number(value) * 1024;
  };
  const totalBytes = kibibytes('MemTotal') ?? totalmem();
  const freeBytes = kibibytes('MemAvailable') ?? freemem();
  const cgroup = readCgroupMemory(files);
  return cgroup === undefined || cgroup.limitBytes >= totalBytes
    ? { totalBytes, freeBytes, limitedByCgroup: false }
    : { totalBytes: cgroup.limitBytes, freeBytes: Math.max(0, Math.min(freeBytes, cgroup.limitBytes - cgroup.usedBytes)), limitedByCgroup: true };
}

/** `notes` says what else was looked for and why it is missing. */
export function describeCpu(files: SystemFiles, notes: readonly string[]): DeviceDescription {
  const memory = readMainMemory(files);
  const threads = availableParallelism();
  const quota = readCgroupCpus(files);
  const model = cpus()[0]?.model.trim().replace(/\s+/g, ' ');
  return {
    id: cpuDevice,
    kind: 'cpu',
    name: `${model === undefined || model === '' || model === 'unknown' ? process.arch : model} (${threads} threads)`,
    totalBytes: memory.totalBytes,
    freeBytes: memory.freeBytes,
    source: process.platform === 'linux' ? 'proc' : 'os',
    notes: [
      ...(memory.limitedByCgroup ? [`This container may use ${formatBytes(memory.totalBytes)} of memory.`] : []),
      ...(quota !== undefined && quota < threads ? [`This container may use ${quota.toFixed(1)} of ${threads} CPU threads.`] : []),
      ...notes,
    ],
  };
}
