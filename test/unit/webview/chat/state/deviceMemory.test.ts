import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DeviceId } from '../../../../../src/common/deviceId';
import type { DeviceDescription } from '../../../../../src/common/protocol/monitor';
import { describeDevices } from '../../../../../webview/chat/state/deviceMemory';

const cpu = 'cpu' as DeviceId;
const gpu = 'cuda:0' as DeviceId;
const device = (id: DeviceId, totalBytes?: number): DeviceDescription => ({ id, kind: id === 'cpu' ? 'cpu' : 'cuda', name: id, totalBytes, source: 'test', notes: [] });
const none = { kind: 'none' } as const;

describe('describeDevices', () => {
  it('shows the CPU only where a model lies on it or nothing else is there', () => {
    const both = [device(cpu, 100), device(gpu, 100)];
    expect(describeDevices(both, undefined, [], none).map((view) => view.id)).toEqual([gpu]);
    expect(describeDevices([device(cpu, 100)], undefined, [], none).map((view) => view.id)).toEqual([cpu]);
    const uses = [{ device: cpu, weightBytes: 1, kvBytes: 0, stagingBytes: 0 }];
    expect(describeDevices(both, undefined, uses, none).map((view) => view.id)).toEqual([gpu, cpu]);
  });

  it('counts as other processes what is used beyond our own allocations', () => {
    const uses = [{ device: gpu, weightBytes: 20, kvBytes: 5, activationBytes: 3, stagingBytes: 2 }];
    const [view] = describeDevices([device(gpu, 100)], { timeMs: 0, devices: [{ id: gpu, usedBytes: 50 }] }, uses, none);
    expect(view?.segments.map(({ kind, bytes }) => [kind, bytes])).toEqual([
      ['weights', 20],
      ['kv', 5],
      ['activations', 5],
      ['other', 20],
    ]);
  });

  it('invents no segment where there is no reading', () => {
    const [view] = describeDevices([device(gpu, 100)], undefined, [], none);
    expect(view?.segments).toEqual([]);
    expect(view?.usedBytes).toBeUndefined();
    expect(describeDevices([device(gpu)], { timeMs: 0, devices: [{ id: gpu, usedBytes: 50 }] }, [], none)[0]?.segments).toEqual([]);
  });

  it('derives used bytes from free bytes', () => {
    const [view] = describeDevices([device(gpu)], { timeMs: 0, devices: [{ id: gpu, totalBytes: 100, freeBytes: 30 }] }, [], none);
    expect(view?.usedBytes).toBe(70);
  });

  it('passes a lost device on with its reason', () => {
    const [view] = describeDevices([device(gpu, 100)], { timeMs: 0, devices: [{ id: gpu, lost: 'Xid 79' }] }, [], none);
    expect(view?.lost).toBe('Xid 79');
  });

  it('never draws more than the whole bar, whatever the counters say', () => {
    const bytes = fc.integer({ min: 0, max: 1000 });
    fc.assert(
      fc.property(bytes, bytes, bytes, bytes, bytes, (weightBytes, kvBytes, stagingBytes, usedBytes, totalBytes) => {
        const uses = [{ device: gpu, weightBytes, kvBytes, stagingBytes }];
        const [view] = describeDevices([device(gpu, totalBytes)], { timeMs: 0, devices: [{ id: gpu, usedBytes }] }, uses, none);
        const sum = (view?.segments ?? []).reduce((total, segment) => total + segment.fraction, 0);
        expect(sum).toBeLessThanOrEqual(1 + 1e-9);
        expect((view?.segments ?? []).every((segment) => segment.fraction >= 0)).toBe(true);
      }),
    );
  });
});
