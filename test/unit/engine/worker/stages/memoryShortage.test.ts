import { describe, expect, it } from 'vitest';
import { GlmError } from '../../../../../src/common/errors';
import { withMemoryReadings } from '../../../../../src/engine/worker/stages/memoryShortage';

const gibibyte = 1024 ** 3;
const shortage = new GlmError('device-out-of-memory', 'A device ran out of memory.', { next: [{ label: 'Load again' }] });

describe('withMemoryReadings', () => {
  it('adds what each device has and what the model takes there, and keeps the next steps', () => {
    const told = withMemoryReadings(shortage, () => [
      { device: 'cuda:0', freeBytes: 3 * gibibyte, totalBytes: 80 * gibibyte, neededBytes: 18.9 * gibibyte },
      { device: 'cuda:1', freeBytes: 0, totalBytes: 80 * gibibyte },
    ]);
    expect(told).toMatchObject({
      code: 'device-out-of-memory',
      message: 'A device ran out of memory. Now cuda:0 has 3.0 GiB of 80.0 GiB free, the model takes 18.9 GiB there in all; cuda:1 has 0.0 GiB of 80.0 GiB free.',
      next: [{ label: 'Load again' }],
    });
    expect(withMemoryReadings(told, () => [{ device: 'cuda:0', freeBytes: 0, totalBytes: gibibyte }])).toBe(told);
  });

  it('leaves other errors alone, and this one where nothing can be read', () => {
    const other = new GlmError('runtime-call-failed', 'no');
    expect(withMemoryReadings(other, () => [{ device: 'cuda:0', freeBytes: 0, totalBytes: 1 }])).toBe(other);
    expect(withMemoryReadings(shortage, () => [])).toBe(shortage);
    expect(withMemoryReadings(shortage, () => { throw new Error('device lost'); })).toBe(shortage);
  });
});
