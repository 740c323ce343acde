import { describe, expect, it } from 'vitest';
import type { DeviceId } from '../../../../src/common/deviceId';
import { deviceId } from '../../../../src/common/deviceId';
import type { DeviceBudget } from '../../../../src/common/placement';
import { withMeasuredSpeeds } from '../../../../src/engine/worker/unequalGpus';

const budget = (index: number, name: string): DeviceBudget => ({ id: deviceId('cuda', index), name, provider: 'cuda', freeBytes: 1e9, totalBytes: 2e9 });

describe('withMeasuredSpeeds', () => {
  it('measures nothing where all GPUs are of one kind', async () => {
    const budgets = [budget(0, 'H200'), budget(1, 'H200')];
    const measure = (): never => {
      throw new Error('must not be called');
    };
    expect(await withMeasuredSpeeds(budgets, measure, new Map())).toEqual(budgets);
  });

  it('gives each of unequal GPUs its speed, measured once', async () => {
    const asked: DeviceId[][] = [];
    const measure = (devices: readonly DeviceId[]): Promise<{ device: DeviceId; bytesPerSecond: number }[]> => {
      asked.push([...devices]);
      return Promise.resolve(devices.map((device, index) => ({ device, bytesPerSecond: (index + 1) * 1e12 })));
    };
    const known = new Map<DeviceId, number>();
    const budgets = [budget(0, 'RTX 4090'), budget(1, 'RTX 3060')];
    for (let time = 0; time < 2; time += 1) {
      expect((await withMeasuredSpeeds(budgets, measure, known)).map(({ bandwidthBytesPerSecond }) => bandwidthBytesPerSecond)).toEqual([1e12, 2e12]);
    }
    expect(asked).toEqual([['cuda:0', 'cuda:1']]);
  });

  it('leaves a GPU that could not be measured without a speed', async () => {
    const [, second] = await withMeasuredSpeeds([budget(0, 'A'), budget(1, 'B')], () => Promise.resolve([{ device: deviceId('cuda', 0), bytesPerSecond: 1e12 }]), new Map());
    expect(second?.bandwidthBytesPerSecond).toBeUndefined();
  });
});
