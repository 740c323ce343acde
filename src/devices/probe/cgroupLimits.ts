/** What a container or service manager lets this process use: the cgroup limits, version 2 and 1. */

import type { SystemFiles } from './systemFiles';

export interface CgroupMemory {
  readonly limitBytes: number;
  /** Without page cache that the kernel can drop. */
  readonly usedBytes: number;
}

/** The tightest memory limit on the way from this process's group to the root, or undefined when none is set. */
export function readCgroupMemory(files: SystemFiles): CgroupMemory | undefined {
  const found = memoryGroups(files).flatMap(({ folder, limit, usage, inactive }): readonly CgroupMemory[] => {
    const limitBytes = files.readNumber(`${folder}/${limit}`);
    const usedBytes = files.readNumber(`${folder}/${usage}`);
    if (limitBytes === undefined || usedBytes === undefined || limitBytes >= unlimitedBytes) {
      return [];
    }
    const droppable = new RegExp(`^${inactive} (\\d+)$`, 'm').exec(files.readText(`${folder}/memory.stat`) ?? '')?.[1];
    return [{ limitBytes, usedBytes: Math.max(0, usedBytes - Number(droppable ?? 0)) }];
  });
  return found.sort((a, b) => a.limitBytes - a.usedBytes - (b.limitBytes - b.usedBytes))[0];
}

/** CPU time that the group may use, in whole CPUs (2.5 = two and a half), or undefined when unlimited. */
export function readCgroupCpus(files: SystemFiles): number | undefined {
  const unified = groupPath(files, '');
  const limits = foldersUp('sys/fs/cgroup', unified).flatMap((folder) => {
    const [quota, period] = (files.readText(`${folder}/cpu.max`) ?? '').trim().split(/\s+/).map(Number);
    return quota !== undefined && period !== undefined && quota > 0 && period > 0 ? [quota / period] : [];
  });
  const old = foldersUp('sys/fs/cgroup/cpu', groupPath(files, 'cpu')).flatMap((folder) => {
    const quota = files.readNumber(`${folder}/cpu.cfs_quota_us`);
    const period = files.readNumber(`${folder}/cpu.cfs_period_us`);
    return quota !== undefined && period !== undefined && quota > 0 && period > 0 ? [quota / period] : [];
  });
  const all = [...limits, ...old];
  return all.length === 0 ? undefined : Math.min(...all);
}

/** Version 1 writes "no limit" as a number near 2^63. */
const unlimitedBytes = 2 ** 60;

function memoryGroups(files: SystemFiles): readonly { readonly folder: string; readonly limit: string; readonly usage: string; readonly inactive: string }[] {
  const unified = foldersUp('sys/fs/cgroup', groupPath(files, '')).map((folder) => ({ folder, limit: 'memory.max', usage: 'memory.current', inactive: 'inactive_file' }));
  const old = foldersUp('sys/fs/cgroup/memory', groupPath(files, 'memory')).map((folder) => ({
    folder,
    limit: 'memory.limit_in_bytes',
    usage: 'memory.usage_in_bytes',
    inactive: 'total_inactive_file',
  }));
  return [...unified, ...old];
}

/** This process's group in a hierarchy; the empty controller names version 2. In a container it is often `/`. */
function groupPath(files: SystemFiles, controller: string): string {
  for (const line of (files.readText('proc/self/cgroup') ?? '').split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path !== undefined && controllers !== undefined && (controller === '' ? controllers === '' : controllers.split(',').includes(controller))) {
      return path;
    }
  }
  return '/';
}

/** The folder of a group and of each group above it. */
function foldersUp(mount: string, path: string): readonly string[] {
  const parts = path.split('/').filter((part) => part !== '' && part !== '..');
  return Array.from({ length: parts.length + 1 }, (_, dropped) => [mount, ...parts.slice(0, parts.length - dropped)].join('/'));
}
