import { afterEach, describe, expect, it } from 'vitest';
import { cpuDevice } from '../../../../src/common/deviceId';
import { silentLog } from '../../../../src/common/log';
import type { MonitorContract } from '../../../../src/common/protocol/monitor';
import { startMonitor } from '../../../../src/engine/client';
import { DeviceService } from '../../../../src/extension/devices/deviceService';
import { FakeChild } from '../../../fakes/fakeChild';

function makeService(lingerMs = 10_000) {
  const children: FakeChild<MonitorContract>[] = [];
  const watches: (number | undefined)[] = [];
  const service = new DeviceService({
    log: silentLog,
    intervalMs: () => 500,
    ownPids: () => [1],
    lingerMs,
    start: () =>
      startMonitor({
        monitorPath: 'none',
        fork: () => {
          const child = new FakeChild<MonitorContract>(() => ({
            'devices-probe': () => [{ id: cpuDevice, kind: 'cpu', name: 'CPU', source: 'os', notes: [] }],
            'telemetry-watch': ({ intervalMs }) => {
              watches.push(intervalMs);
              return {};
            },
            'telemetry-read': () => ({ timeMs: 0, devices: [] }),
            'telemetry-history': () => [],
          }));
          children.push(child);
          return child;
        },
      }),
  });
  services.push(service);
  return { service, children, watches };
}

const services: DeviceService[] = [];
afterEach(() => Promise.all(services.splice(0).map((service) => service.dispose())));
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10));

describe('DeviceService', () => {
  it('starts nothing before someone looks', async () => {
    const { service, children } = makeService();
    service.apply();
    await settle();
    expect(children).toHaveLength(0);
  });

  it('samples while it is watched and stops with the last viewer', async () => {
    const { service, children, watches } = makeService();
    const first = service.watch();
    const second = service.watch();
    await settle();
    first();
    first();
    await settle();
    expect(watches).toEqual([500]);
    second();
    await settle();
    expect(watches).toEqual([500, undefined]);
    expect(children).toHaveLength(1);
    expect(service.devices).toMatchObject([{ id: 'cpu' }]);
  });

  it('ends the process some time after the last viewer', async () => {
    const { service, children } = makeService(1);
    service.watch()();
    await settle();
    await settle();
    expect(children[0]?.isEnded).toBe(true);
  });

  it('keeps the newest samples, oldest first', async () => {
    const { service, children } = makeService();
    service.watch();
    for (let timeMs = 0; timeMs < 310; timeMs++) {
      children[0]?.server.emit('telemetry-sample', { timeMs, devices: [] });
    }
    await settle();
    expect(service.recentSamples).toHaveLength(300);
    expect([service.recentSamples[0]?.timeMs, service.recentSamples.at(-1)?.timeMs]).toEqual([10, 309]);
  });

  it('starts a monitor that died again, but not for ever', async () => {
    const { service, children } = makeService();
    service.watch();
    for (let round = 0; round < 6; round++) {
      children.at(-1)?.die({ exitCode: 1 });
      await settle();
    }
    expect(children).toHaveLength(4);
  });
});
