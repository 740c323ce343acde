/** Times the kernels of one step by events between them, on the device's own clock. */

import { CudaEvent, type CudaStream } from '../cudaStream';

/** A kernel of a step as the device timed it. */
export interface KernelTime {
  readonly name: string;
  /** From the start of the step. */
  readonly startMs: number;
  readonly durationMs: number;
}

export interface TimedLaunches {
  /** In their order. */
  readonly kernels: readonly KernelTime[];
  /** How long queueing them took the host. */
  readonly queueMs: number;
}

/** Events with nothing between them, whose distances tell what an event itself takes. */
const numEmpty = 33;

/**
 * Records an event after each kernel that `launch` queues, and waits for all of them with `wait`.
 *
 * An event takes one to two microseconds of the stream, which a step of hundreds of short kernels would be told as their time: the median distance of
 * events with nothing between them is taken off each.
 *
 * @param launch  Calls back with the name of each kernel after it has been queued.
 */
export function timeLaunches(stream: CudaStream, launch: (onLaunched: (name: string) => void) => void, wait: () => void): TimedLaunches {
  const names: string[] = [];
  const events: CudaEvent[] = [];
  const mark = (): void => {
    const event = new CudaEvent(stream.context, 'timing');
    events.push(event);
    stream.record(event);
  };
  try {
    const queuedFromMs = performance.now();
    mark();
    launch((name) => {
      names.push(name);
      mark();
    });
    const queueMs = performance.now() - queuedFromMs;
    for (let empty = 0; empty < numEmpty; empty += 1) {
      mark();
    }
    wait();
    const distances = events.slice(1).map((event, index) => event.msSince(events[index] as CudaEvent));
    return { kernels: kernelTimes(names, distances), queueMs };
  } finally {
    events.forEach((event) => event[Symbol.dispose]());
  }
}

/**
 * @param names  Of the kernels, in their order.
 * @param distancesMs  Of successive events: one for each kernel, then those with nothing between them.
 */
export function kernelTimes(names: readonly string[], distancesMs: readonly number[]): readonly KernelTime[] {
  const empty = distancesMs.slice(names.length).sort((a, b) => a - b);
  const eventMs = empty[Math.floor(empty.length / 2)] ?? 0;
  let startMs = 0;
  return names.map((name, index) => {
    const durationMs = Math.max(0, (distancesMs[index] as number) - eventMs);
    const time = { name, startMs, durationMs };
    startMs += durationMs;
    return time;
  });
}
