import { describe, expect, it } from 'vitest';
import { silentLog } from '../../../../src/common/log';
import { findSysfsGpus } from '../../../../src/devices/probe/sysfsGpus';
import { visibleGpus } from '../../../../src/devices/probe/visibleGpus';
import { CpuReader } from '../../../../src/devices/telemetry/cpuReader';
import { NvmlReader } from '../../../../src/devices/telemetry/nvmlReader';
import { SysfsReader } from '../../../../src/devices/telemetry/sysfsReader';
import { fakeCard } from '../../../fakes/fakeNvml';
import { meminfo, systemTree, twoGpus } from '../systemTree';

describe('CpuReader', () => {
  const stat = (user: number, idle: number): string => `cpu  ${user} 0 0 ${idle} 0 0 0 0 0 0\ncpu0 1 2 3 4\n`;
  const process = (ticks: number, comm = 'node'): string => `77 (${comm}) S 1 77 77 0 -1 0 0 0 0 0 ${ticks} 10 0 0 20 0 1 0 1 1 1\n`;

  it('derives utilisation and the own share from two reads', () => {
    const tree = systemTree({ 'proc/meminfo': meminfo, 'proc/stat': stat(100, 900), 'proc/77/stat': process(200), 'proc/77/status': 'Name:\tnode\nVmRSS:\t  2048 kB\n' });
    const reader = new CpuReader(tree.files);
    const first = reader.read(1000, [77]);
    expect([first.utilizationPercent, first.ownUtilizationPercent, first.ownBytes]).toEqual([undefined, undefined, 2048 * 1024]);
    tree.write('proc/stat', stat(130, 970));
    tree.write('proc/77/stat', process(350));
    const second = reader.read(3000, [77]);
    expect(second).toMatchObject({ id: 'cpu', utilizationPercent: 30, ownUtilizationPercent: 75, usedBytes: (65536000 - 41943040) * 1024 });
  });

  it('is not misled by a command name with spaces and parentheses', () => {
    const tree = systemTree({ 'proc/77/stat': process(100, 'a) b (c') });
    const reader = new CpuReader(tree.files);
    reader.read(0, [77]);
    tree.write('proc/77/stat', process(200, 'a) b (c'));
    expect(reader.read(1000, [77]).ownUtilizationPercent).toBe(100);
  });

  it('leaves the share of a process that is gone unknown, and does not mix it with a successor', () => {
    const tree = systemTree({ 'proc/77/stat': process(500) });
    const reader = new CpuReader(tree.files);
    reader.read(0, [77]);
    tree.remove('proc/77');
    expect(reader.read(1000, [77])).toMatchObject({ ownUtilizationPercent: undefined, ownBytes: undefined });
    tree.write('proc/77/stat', process(3));
    expect(reader.read(2000, [77]).ownUtilizationPercent).toBeUndefined();
  });
});

describe('NvmlReader', () => {
  const read = (cards: readonly ReturnType<typeof fakeCard>[], ownPids: readonly number[] = [], tree = systemTree()) =>
    new NvmlReader({ gpus: visibleGpus(cards, undefined), files: tree.files, log: silentLog }).read(ownPids);

  it('reports every reading, with process names and the own share', async () => {
    const tree = systemTree({ 'proc/42/comm': 'node\n' });
    const processes = [{ pid: 42, usedBytes: 700 }, { pid: 43, usedBytes: 50 }, { pid: 44 }];
    const [reading] = await read([fakeCard(0, { processes, throttleReasons: ['power limit'] })], [42, 44], tree);
    expect(reading).toEqual({
      id: 'cuda:0',
      utilizationPercent: 10,
      usedBytes: 2 ** 30,
      freeBytes: 23 * 2 ** 30,
      totalBytes: 24 * 2 ** 30,
      temperatureCelsius: 50,
      powerWatts: 100.5,
      powerLimitWatts: 350,
      smClockMhz: 1800,
      memoryClockMhz: 9500,
      throttleReasons: ['power limit'],
      processes: [
        { pid: 42, usedBytes: 700, name: 'node' },
        { pid: 43, usedBytes: 50, name: undefined },
        { pid: 44, usedBytes: undefined, name: undefined },
      ],
      ownBytes: 700,
      pcieTxBytesPerSecond: 2048,
      pcieRxBytesPerSecond: 4096,
    });
  });

  it('looks a process up again after it was gone: its number may be another one\'s', async () => {
    const tree = systemTree({ 'proc/42/comm': 'python\n' });
    const card = fakeCard(0, { processes: [{ pid: 42 }] });
    const reader = new NvmlReader({ gpus: visibleGpus([card], undefined), files: tree.files, log: silentLog });
    const name = async (): Promise<string | undefined> => (await reader.read([]))[0]?.processes?.[0]?.name;
    expect(await name()).toBe('python');
    card.card.processes = [];
    expect(await name()).toBeUndefined();
    tree.write('proc/42/comm', 'node\n');
    card.card.processes = [{ pid: 42 }];
    expect(await name()).toBe('node');
  });

  it('leaves the own share unknown when none of our processes is in the driver\'s list', async () => {
    const [reading] = await read([fakeCard(0, { processes: [{ pid: 1, usedBytes: 5 }] })], [42]);
    expect(reading?.ownBytes).toBeUndefined();
  });

  it('keeps unsupported readings undefined, never 0', async () => {
    const [reading] = await read([fakeCard(0, { utilizationPercent: undefined, powerWatts: undefined, processes: undefined, traffic: {} })]);
    expect([reading?.utilizationPercent, reading?.powerWatts, reading?.processes, reading?.pcieTxBytesPerSecond]).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('shows a card that vanishes as lost, and the others go on', async () => {
    const cards = [fakeCard(0), fakeCard(1)];
    const reader = new NvmlReader({ gpus: visibleGpus(cards, undefined), files: systemTree().files, log: silentLog });
    expect((await reader.read([])).map((one) => one.lost)).toEqual([undefined, undefined]);
    (cards[1] as ReturnType<typeof fakeCard>).card.lostStatus = 15;
    const [alive, lost] = await reader.read([]);
    expect(alive?.utilizationPercent).toBe(10);
    expect(lost).toEqual({ id: 'cuda:1', lost: expect.stringContaining('cuda:1 is lost. The GPU does not answer any more (the GPU is lost in nvmlDeviceGetMemoryInfo_v2)') });
    (cards[1] as ReturnType<typeof fakeCard>).card.lostStatus = undefined;
    expect((await reader.read([]))[1]?.lost).toBeUndefined();
  });
});

describe('SysfsReader', () => {
  it('reads amdgpu and i915 files, power from energy where there is only that', () => {
    const tree = systemTree(twoGpus);
    const reader = new SysfsReader(tree.files, findSysfsGpus(tree.files));
    const [intel, amd] = reader.read(1000, []);
    expect(amd).toMatchObject({ id: 'webgpu:1', utilizationPercent: 73, usedBytes: 2 ** 30, temperatureCelsius: 61, powerWatts: 180.5, powerLimitWatts: 300, smClockMhz: 2304, memoryClockMhz: 1249 });
    expect(intel).toMatchObject({ id: 'webgpu:0', utilizationPercent: undefined, usedBytes: undefined, temperatureCelsius: 47, powerWatts: undefined, smClockMhz: 2400, totalBytes: 17179869184 });
    tree.write('sys/class/drm/card0/device/hwmon/hwmon2/energy1_input', '65000000\n');
    expect(reader.read(3000, [])[0]?.powerWatts).toBe(30);
  });

  it('adds up the own processes\' video memory, each client once', () => {
    const info = (client: number, kib: number): string => `drm-driver:\tamdgpu\ndrm-client-id:\t${client}\ndrm-pdev:\t0000:0a:00.0\ndrm-memory-vram:\t${kib} KiB\ndrm-memory-gtt:\t9 KiB\n`;
    const tree = systemTree({ ...twoGpus, 'proc/9/fdinfo/3': info(1, 100), 'proc/9/fdinfo/4': info(1, 100), 'proc/9/fdinfo/5': info(2, 7), 'proc/9/fdinfo/6': info(3, 1000) });
    for (const [fd, target] of [['3', '/dev/dri/card10'], ['4', '/dev/dri/renderD129'], ['5', '/dev/dri/renderD129'], ['6', '/dev/null']] as const) {
      tree.link(`proc/9/fd/${fd}`, target);
    }
    const reader = new SysfsReader(tree.files, findSysfsGpus(tree.files));
    expect(reader.read(0, [9]).map((one) => one.ownBytes)).toEqual([undefined, 107 * 1024]);
  });

  it('shows an unplugged card as lost', () => {
    const tree = systemTree(twoGpus);
    const reader = new SysfsReader(tree.files, findSysfsGpus(tree.files));
    tree.remove('sys/class/drm/card10');
    expect(reader.read(0, [])[1]).toEqual({ id: 'webgpu:1', lost: 'webgpu:1 (Radeon Example XT) is lost: the kernel no longer lists it.' });
  });
});
