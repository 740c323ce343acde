/** Memory bandwidth of the devices a model runs on, measured by copies. */

import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { cpuDevice, type DeviceId } from '../../common/deviceId';
import { throwIfAborted } from '../../common/errors';
import type { Log } from '../../common/log';
import type { MeasuredBandwidth } from '../../common/protocol/engine';
import { measureDeviceCopy } from '../../cuda/copyBandwidth';
import { CudaContext } from '../../cuda/cudaContext';
import { CudaDriver } from '../../cuda/cudaDriver';

/** Far above the last-level cache of a processor, per thread. */
const threadBytes = 64 * 1024 ** 2;
const threadMs = 400;

/** One thread: fills its buffers, waits for the common start, copies until the time is up. */
const copyThread = `
const { workerData: { gate, bytes, ms }, parentPort } = require('node:worker_threads');
const from = new Uint8Array(bytes).fill(1);
const to = new Uint8Array(bytes);
to.set(from);
parentPort.postMessage('ready');
Atomics.wait(gate, 0, 0);
const startedMs = performance.now();
let copies = 0;
let elapsedMs = 0;
do {
  to.set(from);
  copies += 1;
  elapsedMs = performance.now() - startedMs;
} while (elapsedMs < ms);
parentPort.postMessage((2 * bytes * copies * 1000) / elapsedMs);
`;

/**
 * A device whose bandwidth can't be measured (no room for the copy, no way to ask) is left out and logged.
 * @throws {CancelledError}
 */
export async function measureBandwidth(devices: readonly DeviceId[], cpuThreads: number | undefined, log: Log, signal: AbortSignal): Promise<readonly MeasuredBandwidth[]> {
  const measured: MeasuredBandwidth[] = [];
  for (const device of new Set(devices)) {
    throwIfAborted(signal, 'Measuring the memory bandwidth');
    const ordinal = /^cuda:(\d+)$/.exec(device)?.[1];
    try {
      if (device === cpuDevice) {
        measured.push({ device, bytesPerSecond: await measureMainMemoryCopy(cpuThreads ?? availableParallelism()) });
      } else if (ordinal !== undefined) {
        using context = new CudaContext(CudaDriver.load(), Number(ordinal));
        measured.push({ device, bytesPerSecond: measureDeviceCopy(context) });
      }
    } catch (error) {
      log.log('warn', 'bandwidth', `The memory bandwidth of ${device} was not measured: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return measured;
}

/** Bytes read and written per second by so many threads that copy at the same time. */
export async function measureMainMemoryCopy(threads: number): Promise<number> {
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const workers = Array.from({ length: Math.max(1, threads) }, () => new Worker(copyThread, { eval: true, workerData: { gate, bytes: threadBytes, ms: threadMs } }));
  try {
    await Promise.all(workers.map(nextMessage));
    const rates = workers.map(nextMessage);
    Atomics.store(gate, 0, 1);
    Atomics.notify(gate, 0);
    return (await Promise.all(rates)).reduce<number>((sum, rate) => sum + Number(rate), 0);
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

function nextMessage(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}
