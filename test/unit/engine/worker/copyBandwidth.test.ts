import { describe, expect, it } from 'vitest';
import { cpuDevice } from '../../../../src/common/deviceId';
import { CancelledError } from '../../../../src/common/errors';
import { silentLog } from '../../../../src/common/log';
import { measureBandwidth } from '../../../../src/engine/worker/copyBandwidth';

describe('measureBandwidth', () => {
  it('measures main memory once however many stages lie there, between what a disk and what any memory moves', async () => {
    const measured = await measureBandwidth([cpuDevice, cpuDevice], 1, silentLog, new AbortController().signal);
    expect(measured.map((each) => each.device)).toEqual([cpuDevice]);
    expect(measured[0]?.bytesPerSecond).toBeGreaterThan(2e8);
    expect(measured[0]?.bytesPerSecond).toBeLessThan(1e13);
  });

  it('stops when cancelled', async () => {
    const controller = new AbortController();
    controller.abort();
    await expect(measureBandwidth([cpuDevice], 1, silentLog, controller.signal)).rejects.toBeInstanceOf(CancelledError);
  });
});
