import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { NvmlDeviceLostError, type Nvml, type NvmlDevice } from '../../../../src/devices/probe/nvmlApi';
import { loadNvml, nvmlLibraryPaths } from '../../../../src/devices/probe/nvmlLibrary';

const source = join(__dirname, '../../../fixtures/devices/standInNvml.c');
const folder = mkdtempSync(join(tmpdir(), 'stand-in-nvml-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function build(name: string, ...flags: readonly string[]): string {
  const library = join(folder, `${name}.so`);
  execFileSync('cc', ['-shared', '-fPIC', ...flags, '-o', library, source]);
  return library;
}

const hasCompiler = process.platform === 'linux' && spawnSync('cc', ['--version']).status === 0;

describe.skipIf(!hasCompiler)('NVML through koffi (against a compiled stand-in)', () => {
  const open = async (name: string, ...flags: readonly string[]): Promise<Nvml> => loadNvml([join(folder, 'missing.so'), build(name, ...flags)]);
  const card = (nvml: Nvml, index: number): NvmlDevice => nvml.devices()[index] as NvmlDevice;

  it('reads every field at its documented offset', async () => {
    const nvml = await open('new');
    const device = card(nvml, 0);
    expect([nvml.driverVersion, nvml.cudaVersion]).toEqual(['570.11.22', '12.8']);
    expect([device.name(), device.uuid(), device.pciBusId()]).toEqual(['Stand-in GPU', 'GPU-0badcafe', '00000000:65:00.0']);
    expect(device.memory()).toEqual({ totalBytes: 85899345920, freeBytes: 64424509440, usedBytes: 21474836473 });
    expect([device.utilizationPercent(), device.temperatureCelsius(), device.powerLimitWatts(), device.smClockMhz(), device.memoryClockMhz()]).toEqual([87, 61, 350.5, 1755, 2619]);
    expect(device.throttleReasons()).toEqual(['power limit', 'temperature (hardware)']);
    expect(await device.pcieThroughput()).toEqual({ txBytesPerSecond: 307200, rxBytesPerSecond: 5120 });
    nvml.close();
  });

  it('asks again when there are more processes than room, and knows unknown memory from 0', async () => {
    const processes = card(await open('processes'), 0).processes();
    expect(processes).toHaveLength(70);
    expect(processes?.slice(0, 2)).toEqual([{ pid: 1000 }, { pid: 1001, usedBytes: 1048576 }]);
  });

  it('leaves unsupported and absent functions undefined', async () => {
    const device = card(await open('unsupported'), 0);
    expect(device.powerWatts()).toBeUndefined();
    expect(device.migInstances()).toBeUndefined();
  });

  it('falls back to the functions of older drivers', async () => {
    const device = card(await open('old', '-DOLD_DRIVER'), 0);
    expect(device.memory()).toEqual({ totalBytes: 1000, freeBytes: 600, usedBytes: 400 });
    expect(device.throttleReasons()).toEqual(['hardware slowdown']);
  });

  it('tells a lost card from an unsupported reading, and names one that cannot be opened', async () => {
    const nvml = await open('lost');
    expect(() => card(nvml, 1).memory()).toThrow(NvmlDeviceLostError);
    await expect(card(nvml, 1).pcieThroughput()).rejects.toThrow('the GPU is lost');
    expect(nvml.devices()[2]).toBe('GPU 2 cannot be opened: no permission');
  });

  it('says that library and kernel module differ', async () => {
    await expect(open('mismatch', '-DMISMATCH')).rejects.toThrow('of different versions, as after an update without a reboot');
  });
});

describe('loadNvml', () => {
  it('names what it looked for when there is no driver', async () => {
    await expect(loadNvml(['/no/such/libnvidia-ml.so.1'])).rejects.toMatchObject({ code: 'nvml-unavailable', message: expect.stringContaining('/no/such/libnvidia-ml.so.1') });
  });

  it('looks nowhere on macOS, which has no NVIDIA driver', () => {
    expect(nvmlLibraryPaths('darwin')).toEqual([]);
    expect(nvmlLibraryPaths('linux')).toContain('/usr/lib/wsl/lib/libnvidia-ml.so.1');
  });
});
