/** Another process that takes memory of the first GPU and keeps it: this bundle, started again with `hold-memory BYTES`. */

import { spawn } from 'node:child_process';
import { CudaContext } from '../../src/cuda/cudaContext';
import { CudaDriver } from '../../src/cuda/cudaDriver';

/** Runs in the other process: until its input ends. */
export async function holdMemoryHere(bytes: number): Promise<void> {
  const context = new CudaContext(CudaDriver.load(), 0);
  context.allocate(bytes);
  process.stdout.write('held\n');
  await new Promise((resolve) => {
    process.stdin.on('end', resolve);
    process.stdin.resume();
  });
}

/** @returns when the memory is taken; `end` waits until the process is gone. */
export async function holdMemory(bytes: number): Promise<{ end(): Promise<void> }> {
  const child = spawn(process.execPath, [__filename, 'hold-memory', String(bytes)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const isHeld = await Promise.race([new Promise<boolean>((resolve) => child.stdout.once('data', () => resolve(true))), gone.then(() => false)]);
  if (!isHeld) {
    throw new Error(`another process could not take ${bytes} bytes`);
  }
  return {
    end: async () => {
      child.stdin.end();
      await gone;
    },
  };
}
