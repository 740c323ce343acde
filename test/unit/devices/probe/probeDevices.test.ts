import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { silentLog } from '../../../../src/common/log';
import { openSources, type OpenSourcesOptions } from '../../../../src/devices/probe/deviceSources';
import { NvmlUnavailableError, type Nvml } from '../../../../src/devices/probe/nvmlApi';
import { probeDevices } from '../../../../src/devices/probe/probeDevices';
import { FakeNvml, fakeCard } from '../../../fakes/fakeNvml';
import { meminfo, systemTree, twoGpus } from '../systemTree';

const smiOutput = readFileSync(join(__dirname, '../../../fixtures/telemetry/smi-three-cards.csv'), 'utf8');
const noNvml = (): Promise<Nvml> => Promise.reject(new NvmlUnavailableError('NVML was not found.'));

async function probe(options: Partial<OpenSourcesOptions> & { readonly tree?: Readonly<Record<string, string>> } = {}) {
  const tree = systemTree({ 'proc/meminfo': meminfo, ...options.tree });
  return probeDevices(
    await openSources({ env: {}, log: silentLog, platform: 'linux', files: tree.files, loadNvml: noNvml, smiCommands: ['nvidia-smi'], runSmi: async () => undefined, ...options }),
  );
}

describe('probeDevices', () => {
  it('lists NVIDIA cards, then other GPUs, then the CPU', async () => {
    const devices = await probe({ loadNvml: async () => new FakeNvml([fakeCard(0), fakeCard(1)]), tree: twoGpus });
    expect(devices.map((device) => `${device.id} ${device.kind} ${device.source}`)).toEqual([
      'cuda:0 cuda NVML',
      'cuda:1 cuda NVML',
      'webgpu:0 intel sysfs',
      'webgpu:1 amd sysfs',
      `cpu cpu ${process.platform === 'linux' ? 'proc' : 'os'}`,
    ]);
    expect(devices[0]).toMatchObject({ name: 'NVIDIA Test 24GB', totalBytes: 24 * 2 ** 30, freeBytes: 23 * 2 ** 30, driverVersion: '580.95.05', pciBusId: '00000000:01:00.0', notes: [] });
    expect(devices[3]).toMatchObject({ name: 'Radeon Example XT', totalBytes: 17163091968, freeBytes: 17163091968 - 2 ** 30, pciBusId: '0000:0A:00.0' });
    expect(devices[2]).toMatchObject({ name: 'Intel GPU 0x56a0', totalBytes: 17179869184, freeBytes: undefined });
  });

  it('numbers cards as CUDA_VISIBLE_DEVICES makes CUDA number them, and says what is hidden', async () => {
    const cards = [fakeCard(0), fakeCard(1), fakeCard(2)];
    const names = async (setting: string) => (await probe({ loadNvml: async () => new FakeNvml(cards), env: { CUDA_VISIBLE_DEVICES: setting } })).map((device) => device.pciBusId?.slice(9, 11) ?? device.id);
    expect(await names('2,0')).toEqual(['03', '01', 'cpu']);
    expect(await names('GPU-1111')).toEqual(['02', 'cpu']);
    expect(await names('1,7,0')).toEqual(['02', 'cpu']);
    expect(await names('-1')).toEqual(['cpu']);
    expect(await names('')).toEqual(['cpu']);
    expect(await names('0,0')).toEqual(['01', 'cpu']);
    const hidden = await probe({ loadNvml: async () => new FakeNvml(cards), env: { CUDA_VISIBLE_DEVICES: '2' } });
    expect(hidden.at(-1)?.notes).toEqual(['2 of 3 NVIDIA GPUs are hidden by CUDA_VISIBLE_DEVICES=2.']);
  });

  it('takes the one MIG instance that CUDA would take, with the card beside it', async () => {
    const instance = fakeCard(5, { name: 'NVIDIA Test MIG 1g.10gb', uuid: 'MIG-5', pciBusId: undefined, memory: { totalBytes: 10, usedBytes: 1, freeBytes: 9 } });
    const other = fakeCard(6, { uuid: 'MIG-6' });
    const card = fakeCard(0, { migInstances: [other, instance] });
    const [device, cpu] = await probe({ loadNvml: async () => new FakeNvml([card]), env: { CUDA_VISIBLE_DEVICES: 'MIG-5' } });
    expect(device).toMatchObject({ id: 'cuda:0', name: 'NVIDIA Test MIG 1g.10gb', freeBytes: 9, pciBusId: '00000000:01:00.0' });
    expect(cpu?.id).toBe('cpu');
    expect((await probe({ loadNvml: async () => new FakeNvml([card]) }))[0]?.uuid).toBe('MIG-6');
  });

  it('reads nvidia-smi when NVML is missing, and marks absent values and lost cards', async () => {
    const devices = await probe({ runSmi: async () => smiOutput });
    expect(devices[0]).toMatchObject({ id: 'cuda:0', source: 'nvidia-smi', totalBytes: 24564 * 2 ** 20, freeBytes: 22710 * 2 ** 20 });
    expect(devices[2]).toMatchObject({ id: 'cuda:2', totalBytes: undefined, notes: ['nvidia-smi says that the GPU is lost.'] });
    expect(devices[3]?.notes).toEqual(['NVIDIA readings come from nvidia-smi, without PCIe traffic, processes and throttle reasons. NVML was not found.']);
  });

  it('says why there is no NVIDIA GPU, with the hint that WSL needs', async () => {
    expect((await probe())[0]?.notes).toEqual(['No NVIDIA GPU can be read. NVML was not found.']);
    const wsl = await probe({ tree: { 'proc/version': 'Linux version 5.15.153.1-microsoft-standard-WSL2\n' } });
    expect(wsl[0]?.notes[0]).toContain('In WSL the driver is installed in Windows');
  });

  it('names a driver that is too old for CUDA 13', async () => {
    const [device] = await probe({ loadNvml: async () => new FakeNvml([fakeCard(0)], '535.183.01', '12.2') });
    expect(device?.notes).toEqual(['Driver 535.183.01 (up to CUDA 12.2) is older than 580, which the CUDA 13 provider needs. Update the driver, or use WebGPU.']);
  });

  it('describes a card that is lost already at the probe', async () => {
    const [device] = await probe({ loadNvml: async () => new FakeNvml([fakeCard(0, { lostStatus: 15 })]) });
    expect([device?.id, device?.totalBytes]).toEqual(['cuda:0', undefined]);
    expect(device?.notes[0]).toContain('cuda:0 is lost. The GPU does not answer any more (the GPU is lost');
  });
});
