/**
 * How often the kernel has killed a process of this memory group for lack of memory; evidence for why a child ended.
 *
 * Linux control groups only; elsewhere, and where the files cannot be read, the count is undefined.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Reads a small text file; undefined when it is not there. Given by tests. */
export type TextFileReader = (path: string) => string | undefined;

const readText: TextFileReader = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

/**
 * The `oom_kill` count of the memory group that process `pid` is in (children start in the group of their parent).
 *
 * @see the kernel's Documentation/admin-guide/cgroup-v2.rst (memory.events) and cgroup-v1/memory.rst (memory.oom_control)
 */
export function readMemoryKillCount(pid: number | 'self', read: TextFileReader = readText): number | undefined {
  const groups = read(`/proc/${pid}/cgroup`);
  if (groups === undefined) {
    return undefined;
  }
  for (const line of groups.split('\n')) {
    const match = /^\d+:([^:]*):(.*)$/.exec(line);
    const [controllers, path] = [match?.[1] ?? '', match?.[2]];
    if (path === undefined) {
      continue;
    }
    const candidates =
      controllers === ''
        ? [join('/sys/fs/cgroup', path, 'memory.events'), '/sys/fs/cgroup/memory.events']
        : controllers.split(',').includes('memory')
          ? [join('/sys/fs/cgroup/memory', path, 'memory.oom_control'), '/sys/fs/cgroup/memory/memory.oom_control']
          : [];
    for (const candidate of candidates) {
      const count = /^oom_kill (\d+)$/m.exec(read(candidate) ?? '')?.[1];
      if (count !== undefined) {
        return Number(count);
      }
    }
  }
  return undefined;
}
