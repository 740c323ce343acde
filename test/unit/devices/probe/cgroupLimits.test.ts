import { describe, expect, it } from 'vitest';
import { readCgroupCpus, readCgroupMemory } from '../../../../src/devices/probe/cgroupLimits';
import { describeCpu, readMainMemory } from '../../../../src/devices/probe/cpuProbe';
import { meminfo, systemTree } from '../systemTree';

const gib = 2 ** 30;

describe('cgroup limits', () => {
  it('finds none where none is set', () => {
    const { files } = systemTree({ 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/memory.max': 'max\n', 'sys/fs/cgroup/memory.current': '5000\n', 'sys/fs/cgroup/cpu.max': 'max 100000\n' });
    expect(readCgroupMemory(files)).toBeUndefined();
    expect(readCgroupCpus(files)).toBeUndefined();
  });

  it('takes the tightest limit on the way up (version 2), page cache not counted', () => {
    const { files } = systemTree({
      'proc/self/cgroup': '0::/user/app\n',
      'sys/fs/cgroup/user/memory.max': `${8 * gib}\n`,
      'sys/fs/cgroup/user/memory.current': `${6 * gib}\n`,
      'sys/fs/cgroup/user/memory.stat': `anon 1\ninactive_file ${gib}\n`,
      'sys/fs/cgroup/user/app/memory.max': `${7 * gib}\n`,
      'sys/fs/cgroup/user/app/memory.current': `${gib}\n`,
      'sys/fs/cgroup/user/cpu.max': '250000 100000\n',
      'sys/fs/cgroup/user/app/cpu.max': 'max 100000\n',
    });
    expect(readCgroupMemory(files)).toEqual({ limitBytes: 8 * gib, usedBytes: 5 * gib });
    expect(readCgroupCpus(files)).toBe(2.5);
  });

  it('reads version 1, whose "unlimited" is a number, also when the group path is the host\'s', () => {
    const v1 = { 'proc/self/cgroup': '4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n', 'sys/fs/cgroup/memory/memory.usage_in_bytes': `${gib}\n` };
    expect(readCgroupMemory(systemTree({ ...v1, 'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n' }).files)).toBeUndefined();
    const limited = systemTree({
      ...v1,
      'sys/fs/cgroup/memory/memory.limit_in_bytes': `${2 * gib}\n`,
      'sys/fs/cgroup/memory/memory.stat': `total_inactive_file ${gib / 2}\n`,
      'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n',
      'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
    });
    expect(readCgroupMemory(limited.files)).toEqual({ limitBytes: 2 * gib, usedBytes: gib / 2 });
    expect(readCgroupCpus(limited.files)).toBeUndefined();
  });

  it('makes the container, not the machine, the measure of free memory', () => {
    const { files } = systemTree({ 'proc/meminfo': meminfo, 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/memory.max': `${4 * gib}\n`, 'sys/fs/cgroup/memory.current': `${gib}\n` });
    expect(readMainMemory(files)).toEqual({ totalBytes: 4 * gib, freeBytes: 3 * gib, limitedByCgroup: true });
    expect(describeCpu(files, ['and more']).notes).toEqual(['This container may use 4.0 GiB of memory.', 'and more']);
  });

  it('takes the machine where it has less than the limit', () => {
    const { files } = systemTree({ 'proc/meminfo': meminfo, 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/memory.max': `${400 * gib}\n`, 'sys/fs/cgroup/memory.current': '0\n' });
    expect(readMainMemory(files)).toEqual({ totalBytes: 65536000 * 1024, freeBytes: 41943040 * 1024, limitedByCgroup: false });
  });
});
