import { describe, expect, it } from 'vitest';
import type { MonitorContract, TelemetrySample } from '../../../src/common/protocol/monitor';
import { RpcClient } from '../../../src/common/protocol/rpc';
import { openSources } from '../../../src/devices/probe/deviceSources';
import { MonitorServer } from '../../../src/monitor/monitorServer';
import { FakeNvml, fakeCard } from '../../fakes/fakeNvml';
import { meminfo, systemTree } from '../devices/systemTree';

/** A clock that the test moves; callbacks run when their time has come. */
class HandClock {
  nowMs = 0;
  private readonly waiting = new Set<{ readonly atMs: number; readonly callback: () => void }>();
  now = (): number => this.nowMs;
  after = (ms: number, callback: () => void): (() => void) => {
    const entry = { atMs: this.nowMs + ms, callback };
    this.waiting.add(entry);
    return () => this.waiting.delete(entry);
  };
  get numWaiting(): number {
    return this.waiting.size;
  }
  async advance(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    for (;;) {
      const [next] = [...this.waiting].filter((entry) => entry.atMs <= endMs).sort((a, b) => a.atMs - b.atMs);
      if (next === undefined) {
        break;
      }
      this.nowMs = next.atMs;
      this.waiting.delete(next);
      next.callback();
      await settle();
    }
    this.nowMs = endMs;
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function start() {
  const clock = new HandClock();
  const nvml = new FakeNvml([fakeCard(0), fakeCard(1)]);
  const tree = systemTree({ 'proc/meminfo': meminfo });
  let opened = 0;
  const client = new RpcClient<MonitorContract>((message): void => server.receive(message));
  const server = new MonitorServer({
    send: (message) => client.receive(structuredClone(message)),
    clock,
    env: {},
    openSources: (log) => {
      opened += 1;
      return openSources({ env: {}, log, platform: 'linux', files: tree.files, loadNvml: async () => nvml });
    },
  });
  const samples: TelemetrySample[] = [];
  client.on('telemetry-sample', (sample) => samples.push(sample));
  return { clock, nvml, tree, client, server, samples, opened: () => opened };
}

describe('MonitorServer', () => {
  it('opens the driver with the first request only, once', async () => {
    const { client, opened } = start();
    expect(opened()).toBe(0);
    const [devices] = await Promise.all([client.request('devices-probe', {}), client.request('telemetry-read', { ownPids: [] })]);
    expect(devices.map((device) => device.id)).toEqual(['cuda:0', 'cuda:1', 'cpu']);
    expect(opened()).toBe(1);
  });

  it('samples in rhythm while watched, not after', async () => {
    const { client, clock, samples } = start();
    await client.request('telemetry-watch', { intervalMs: 1000, ownPids: [] });
    await settle();
    await clock.advance(3000);
    expect(samples.map((sample) => sample.timeMs)).toEqual([0, 1000, 2000, 3000]);
    expect(samples[3]?.devices.map((device) => device.id)).toEqual(['cuda:0', 'cuda:1', 'cpu']);
    await client.request('telemetry-watch', { ownPids: [] });
    await clock.advance(5000);
    expect(samples).toHaveLength(4);
    expect(clock.numWaiting).toBe(0);
  });

  it('does not let a reading on demand shorten the span of the next sample', async () => {
    const { client, clock, samples, tree } = start();
    const stat = (busy: number, idle: number): void => tree.write('proc/stat', `cpu  ${busy} 0 0 ${idle} 0 0 0 0 0 0\n`);
    stat(0, 100);
    await client.request('telemetry-watch', { intervalMs: 1000, ownPids: [] });
    await settle();
    stat(90, 110);
    await client.request('telemetry-read', { ownPids: [1] });
    stat(90, 210);
    await clock.advance(1000);
    expect(samples.at(-1)?.devices.at(-1)?.utilizationPercent).toBe(45);
  });

  it('brings the interval into 200 to 10,000 ms and refuses what is no interval', async () => {
    const { client, clock, samples } = start();
    await client.request('telemetry-watch', { intervalMs: 1, ownPids: [] });
    await settle();
    await clock.advance(1000);
    expect(samples).toHaveLength(6);
    await client.request('telemetry-watch', { intervalMs: 60_000, ownPids: [] });
    await settle();
    await clock.advance(10_000);
    expect(samples).toHaveLength(8);
    await expect(client.request('telemetry-watch', { intervalMs: Number.NaN, ownPids: [] })).rejects.toMatchObject({ code: 'bad-interval' });
  });

  it('keeps one rhythm when the interval changes twice at once', async () => {
    const { client, clock, samples } = start();
    await Promise.all([client.request('telemetry-watch', { intervalMs: 1000, ownPids: [] }), client.request('telemetry-watch', { intervalMs: 500, ownPids: [] })]);
    await settle();
    samples.length = 0;
    await clock.advance(1000);
    expect(samples.map((sample) => sample.timeMs)).toEqual([500, 1000]);
  });

  it('hands the kept samples to a view that opens late', async () => {
    const { client, clock } = start();
    await client.request('telemetry-watch', { intervalMs: 1000, ownPids: [] });
    await settle();
    await clock.advance(700_000);
    const all = await client.request('telemetry-history', {});
    expect([all.length, all[0]?.timeMs, all.at(-1)?.timeMs]).toEqual([600, 101_000, 700_000]);
    expect(await client.request('telemetry-history', { sinceMs: 699_000 })).toHaveLength(2);
  });

  it('reports a card that is lost and one that comes back, once each, and goes on sampling', async () => {
    const { client, clock, nvml, samples } = start();
    const changes: string[][] = [];
    const errors: string[] = [];
    client.on('devices-changed', (devices) => changes.push(devices.map((device) => `${device.id}${device.notes.length > 0 ? '!' : ''}`)));
    client.on('log', (record) => record.level === 'error' && errors.push(record.message.slice(0, 15)));
    await client.request('telemetry-watch', { intervalMs: 1000, ownPids: [] });
    await settle();
    const card = (nvml.list[1] as ReturnType<typeof fakeCard>).card;
    card.lostStatus = 15;
    await clock.advance(3000);
    card.lostStatus = undefined;
    await clock.advance(1000);
    expect(changes).toEqual([
      ['cuda:0', 'cuda:1!', 'cpu'],
      ['cuda:0', 'cuda:1', 'cpu'],
    ]);
    expect(errors).toEqual(['cuda:1 is lost.']);
    expect(samples).toHaveLength(5);
  });

  it('stops sampling and closes the driver when it is disposed', async () => {
    const { client, clock, nvml, samples, server } = start();
    await client.request('telemetry-watch', { intervalMs: 1000, ownPids: [] });
    await settle();
    server[Symbol.dispose]();
    await settle();
    await clock.advance(5000);
    expect(samples).toHaveLength(1);
    expect(nvml.closed).toBe(true);
  });
});
