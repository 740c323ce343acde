/** What telemetry costs: the share of one core that the monitor process takes. */

import { readdirSync, readFileSync } from 'node:fs';

/** A few samples say nothing about the rate. */
const shortestMs = 5000;

/** @returns a function that tells the percentage of one core that a process took since now; undefined where the kernel does not tell, and within the first seconds. */
export function meterProcess(pid: number | undefined): () => number | undefined {
  const startMs = performance.now();
  const before = pid === undefined ? undefined : cpuMsOf(pid);
  return () => {
    const elapsedMs = performance.now() - startMs;
    const after = pid === undefined ? undefined : cpuMsOf(pid);
    return before === undefined || after === undefined || elapsedMs < shortestMs ? undefined : (100 * (after - before)) / elapsedMs;
  };
}

/** CPU time of all threads of a process; Linux only. */
function cpuMsOf(pid: number): number | undefined {
  try {
    return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => sum + Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]), 0) / 1e6;
  } catch {
    return undefined;
  }
}
