import { describe, expect, it } from 'vitest';
import { readMemoryKillCount } from '../../../../src/engine/client/memoryKillCount';

const reader = (files: Readonly<Record<string, string>>) => (path: string) => files[path];

describe('readMemoryKillCount', () => {
  it('reads the group of control groups v2', () => {
    const read = reader({
      '/proc/self/cgroup': '0::/user.slice/app.scope\n',
      '/sys/fs/cgroup/user.slice/app.scope/memory.events': 'low 0\nhigh 7\nmax 3\noom 2\noom_kill 2\noom_group_kill 0\n',
    });
    expect(readMemoryKillCount('self', read)).toBe(2);
  });

  it('falls back to the root of a container, where the path is of the host', () => {
    const read = reader({ '/proc/12/cgroup': '0::/kubepods/pod1\n', '/sys/fs/cgroup/memory.events': 'oom_kill 5\n' });
    expect(readMemoryKillCount(12, read)).toBe(5);
  });

  it('reads the memory controller of control groups v1', () => {
    const read = reader({
      '/proc/self/cgroup': '5:cpu,cpuacct:/a\n4:memory:/docker/1\n',
      '/sys/fs/cgroup/memory/docker/1/memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 1\n',
    });
    expect(readMemoryKillCount('self', read)).toBe(1);
  });

  it('is undefined where there is nothing to read', () => {
    expect(readMemoryKillCount('self', reader({}))).toBeUndefined();
    expect(readMemoryKillCount('self', reader({ '/proc/self/cgroup': '0::/\n' }))).toBeUndefined();
  });
});
