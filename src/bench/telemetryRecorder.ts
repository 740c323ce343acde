/** Keeps the telemetry of a measurement, so that a case can look back at what the machine did meanwhile. */

import type { TelemetrySample } from '../common/protocol/monitor';
import type { TelemetrySource } from './runCase';

/** Long enough that a rate between two readings means something. */
const lookMs = 700;

/** A reading of the machine before anything is started: rates are differences, so it takes two. */
export async function lookAround(read: () => Promise<TelemetrySample>): Promise<TelemetrySample> {
  await read();
  await new Promise((resolve) => setTimeout(resolve, lookMs));
  return read();
}

/** Feed it samples as they come; a benchmark of an hour at 2 Hz keeps 7,200 of them. */
export class TelemetryRecorder implements TelemetrySource {
  private readonly samples: TelemetrySample[] = [];

  constructor(
    private readonly nowMs: () => number,
    private readonly capacity = 10_000,
  ) {}

  add(sample: TelemetrySample): void {
    this.samples.push(sample);
    if (this.samples.length > this.capacity) {
      this.samples.shift();
    }
  }

  since(fromMs: number): readonly TelemetrySample[] {
    return this.samples.filter((sample) => sample.timeMs >= fromMs);
  }

  now(): number {
    return this.nowMs();
  }
}
