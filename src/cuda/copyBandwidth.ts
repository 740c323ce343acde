/** How fast a GPU's memory moves bytes, measured by copies within it: what a decode step, which reads every weight once, is held against. */

import type { CudaContext } from './cudaContext';

/** Far above any level-2 cache, and small enough to find room beside a loaded model. */
const copyBytes = 256 * 1024 ** 2;
const copiesPerRound = 8;
const rounds = 5;

/**
 * Bytes read and written per second by the fastest of five rounds of copies within the device's memory; some 5 ms on a data centre card.
 * Takes 512 MiB of it meanwhile.
 *
 * @throws {CudaError} `device-out-of-memory` when there is no such room.
 */
export function measureDeviceCopy(context: CudaContext): number {
  const { driver } = context;
  const addresses: bigint[] = [];
  const events: unknown[] = [];
  const createEvent = (): unknown => {
    const out: unknown[] = [null];
    driver.call('cuEventCreate', out, 0);
    events.push(out[0]);
    return out[0];
  };
  try {
    for (const value of [1, 2]) {
      const address = context.allocate(copyBytes);
      addresses.push(address);
      context.fillBytes(address, value, copyBytes);
    }
    const [from = 0n, to = 0n] = addresses;
    const [start, end] = [createEvent(), createEvent()];
    let best = 0;
    for (let round = 0; round < rounds; round += 1) {
      driver.call('cuEventRecord', start, null);
      for (let copy = 0; copy < copiesPerRound; copy += 1) {
        context.copyWithin(to, from, copyBytes);
      }
      driver.call('cuEventRecord', end, null);
      driver.call('cuEventSynchronize', end);
      const elapsedMs = [0];
      driver.call('cuEventElapsedTime', elapsedMs, start, end);
      best = Math.max(best, (2 * copyBytes * copiesPerRound * 1000) / (elapsedMs[0] ?? Infinity));
    }
    return best;
  } finally {
    context.enter();
    events.forEach((event) => driver.status('cuEventDestroy_v2', event));
    addresses.forEach((address) => context.free(address));
  }
}
