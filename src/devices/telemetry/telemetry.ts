/** One sample over all devices, and the timer that takes them. */

import type { Log } from '../../common/log';
import type { TelemetrySample } from '../../common/protocol/monitor';
import type { DeviceSources } from '../probe/deviceSources';
import { runSmiOnce } from '../probe/nvidiaSource';
import { smiArguments } from '../probe/nvidiaSmi';
import { CpuReader } from './cpuReader';
import { NvmlReader } from './nvmlReader';
import { RingBuffer } from './ringBuffer';
import { SmiReader, type SmiProcess } from './smiReader';
import { SysfsReader } from './sysfsReader';

export const shortestIntervalMs = 200;
export const longestIntervalMs = 10_000;
/** Ten minutes at one sample per second. */
const keptSamples = 600;

export interface TelemetryClock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Calls back once; the returned function cancels. */
  after(ms: number, callback: () => void): () => void;
}

export interface TelemetryOptions {
  readonly sources: DeviceSources;
  readonly log: Log;
  readonly clock: TelemetryClock;
  readonly onSample: (sample: TelemetrySample) => void;
  readonly startSmi?: (command: string, args: readonly string[]) => SmiProcess;
  readonly runSmi?: (command: string, args: readonly string[]) => Promise<string | undefined>;
}

interface RateReaders {
  readonly cpu: CpuReader;
  readonly sysfs: SysfsReader;
}

/** Owns the readers and the timer. Takes no sample and runs no program while nobody watches. */
export class Telemetry implements Disposable {
  /** Rates are differences: readings on demand keep their own, so that they do not disturb those of the rhythm. */
  private readonly rhythm: RateReaders;
  private readonly onDemand: RateReaders;
  private readonly nvml: NvmlReader | undefined;
  private readonly smi: SmiReader | undefined;
  private readonly kept = new RingBuffer<TelemetrySample>(keptSamples);
  private ownPids: readonly number[] = [];
  private cancelTimer: (() => void) | undefined;
  /** Counts watches, so that a sample under way for an older one does not set its timer. */
  private watchNumber = 0;

  constructor(private readonly options: TelemetryOptions) {
    const { sources, log, clock } = options;
    const makeRateReaders = (): RateReaders => ({ cpu: new CpuReader(sources.files), sysfs: new SysfsReader(sources.files, sources.sysfsGpus) });
    this.rhythm = makeRateReaders();
    this.onDemand = makeRateReaders();
    this.nvml = sources.nvidia.kind === 'nvml' ? new NvmlReader({ gpus: sources.nvidia.gpus, files: sources.files, log }) : undefined;
    this.smi =
      sources.nvidia.kind === 'nvidia-smi'
        ? new SmiReader({ command: sources.nvidia.command, rows: sources.nvidia.rows, log, now: () => clock.now(), start: options.startSmi })
        : undefined;
  }

  /** Samples from now on at this interval, brought into the allowed range; undefined ends it. */
  watch(intervalMs: number | undefined, ownPids: readonly number[]): void {
    this.watchNumber += 1;
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    this.ownPids = ownPids;
    if (intervalMs === undefined) {
      this.smi?.watch(undefined);
      return;
    }
    const allowed = Math.min(longestIntervalMs, Math.max(shortestIntervalMs, intervalMs));
    this.smi?.watch(allowed);
    void this.sampleAndWait(this.watchNumber, allowed, this.options.clock.now());
  }

  /** One sample outside the rhythm; CPU rates are those since the last such sample, so that the first has none. */
  async read(ownPids: readonly number[]): Promise<TelemetrySample> {
    const { sources } = this.options;
    if (this.smi !== undefined && !this.smi.watching && sources.nvidia.kind === 'nvidia-smi') {
      const output = await (this.options.runSmi ?? runSmiOnce)(sources.nvidia.command, smiArguments());
      this.smi.accept(output ?? '');
    }
    return this.take(this.onDemand, ownPids);
  }

  /** Kept samples, oldest first, from `sinceMs` on. */
  history(sinceMs = 0): readonly TelemetrySample[] {
    return this.kept.toArray().filter((sample) => sample.timeMs >= sinceMs);
  }

  [Symbol.dispose](): void {
    this.watch(undefined, []);
    this.smi?.[Symbol.dispose]();
  }

  private async take({ cpu, sysfs }: RateReaders, ownPids: readonly number[]): Promise<TelemetrySample> {
    const timeMs = this.options.clock.now();
    const nvidia = this.nvml === undefined ? (this.smi?.read() ?? []) : await this.nvml.read(ownPids);
    return { timeMs, devices: [...nvidia, ...sysfs.read(timeMs, ownPids), cpu.read(timeMs, ownPids)] };
  }

  /** Samples fall on multiples of the interval after `startMs`; one that took longer skips, so that none pile up. */
  private async sampleAndWait(watchNumber: number, intervalMs: number, startMs: number): Promise<void> {
    const sample = await this.take(this.rhythm, this.ownPids);
    if (watchNumber !== this.watchNumber) {
      return;
    }
    this.kept.push(sample);
    this.options.onSample(sample);
    this.smi?.watch(intervalMs);
    const elapsedMs = this.options.clock.now() - startMs;
    const waitMs = intervalMs - (((elapsedMs % intervalMs) + intervalMs) % intervalMs);
    this.cancelTimer = this.options.clock.after(waitMs, () => void this.sampleAndWait(watchNumber, intervalMs, startMs));
  }
}
