import { describe, expect, it } from 'vitest';
import { cpuDevice, deviceId } from '../../../../src/common/deviceId';
import { silentLog } from '../../../../src/common/log';
import type { DeviceBudget } from '../../../../src/common/placement';
import type { LoadOptions } from '../../../../src/common/protocol/engine';
import { openSources } from '../../../../src/devices/probe/deviceSources';
import { findGpusLeftOut } from '../../../../src/engine/worker/gpusLeftOut';
import { findMisalignments } from '../../../../src/alignment/findMisalignments';
import { FakeNvml, fakeCard } from '../../../fakes/fakeNvml';
import { fakeLoadedModel } from '../../../fakes/fakeEngine';

const plan = { ...fakeLoadedModel.plan, stages: [{ stageIndex: 0, device: cpuDevice, provider: 'cpu', firstLayer: 0, endLayer: 2, hasEmbedding: true, hasHead: true, weightBytes: 0, kvBytes: 0, activationBytes: 0 }] } as const;
const cpu: DeviceBudget = { id: cpuDevice, name: 'CPU', provider: 'cpu', freeBytes: 1 };
const auto: Pick<LoadOptions, 'provider' | 'deviceMap' | 'includeDevices' | 'excludeDevices' | 'ortLibrary'> = { provider: 'auto', deviceMap: { kind: 'auto' } };
const machine = (driverVersion?: string) => () => openSources({ env: {}, log: silentLog, platform: 'linux', loadNvml: () => Promise.resolve(new FakeNvml([fakeCard(0), fakeCard(1)], driverVersion)) });

describe('findGpusLeftOut', () => {
  it('names NVIDIA GPUs that auto could not take, and what is missing', async () => {
    const left = await findGpusLeftOut(auto, [cpu], plan, machine());
    expect(left.map(({ device, name }) => [device, name])).toEqual([
      ['cuda:0', 'NVIDIA Test 24GB'],
      ['cuda:1', 'NVIDIA Test 24GB'],
    ]);
    expect(left[0]?.reason).toMatch(/^The runtime in .+ has no CUDA provider beside it\.$/);
    const messages = findMisalignments({ modelName: 'm', mode: 'warn', plan, assignments: [{ stageIndex: 0, device: cpuDevice, provider: 'cpu', inputMemory: {}, outputMemory: {} }], tensors: [], devices: [], gpusLeftOut: left });
    expect(messages).toMatchObject([{ kind: 'provider-replaced', consumerDevice: 'cuda:0', next: [{ command: 'glm.setupCuda' }] }]);
    expect(messages[0]?.message).toMatch(/^The model is on cpu, whereas this machine has NVIDIA Test 24GB \(cuda:0, cuda:1\)\. The runtime in /);
  });

  it('says that the driver is too old where that is what is wrong', async () => {
    expect((await findGpusLeftOut(auto, [cpu], plan, machine('550.1')))[0]?.reason).toContain('is older than 580');
  });

  it('says nothing where the user chose, where the GPUs are used, or where there are none', async () => {
    const cuda: DeviceBudget = { id: deviceId('cuda', 0), name: 'GPU', provider: 'cuda', freeBytes: 1 };
    expect(await findGpusLeftOut({ ...auto, provider: 'cpu' }, [cpu], plan, machine())).toEqual([]);
    expect(await findGpusLeftOut({ ...auto, deviceMap: { kind: 'single', device: cpuDevice } }, [cpu], plan, machine())).toEqual([]);
    expect(await findGpusLeftOut({ ...auto, deviceMap: { kind: 'map', map: { model: 'cpu' } } }, [cpu], plan, machine())).toEqual([]);
    expect(await findGpusLeftOut({ ...auto, includeDevices: [cpuDevice] }, [cpu], plan, machine())).toEqual([]);
    expect((await findGpusLeftOut({ ...auto, excludeDevices: [deviceId('cuda', 0)] }, [cpu], plan, machine())).map(({ device }) => device)).toEqual(['cuda:1']);
    expect(await findGpusLeftOut(auto, [cuda, cpu], plan, machine())).toEqual([]);
    const none = () => openSources({ env: {}, log: silentLog, platform: 'linux', loadNvml: () => Promise.resolve(new FakeNvml([])) });
    expect(await findGpusLeftOut(auto, [cpu], plan, none)).toEqual([]);
  });
});
