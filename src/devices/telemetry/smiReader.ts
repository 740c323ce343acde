/** Readings from one long-lived nvidia-smi that prints a row per GPU and interval. Starting one per reading would cost more than everything else here. */

import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { deviceId } from '../../common/deviceId';
import type { Log } from '../../common/log';
import type { DeviceReading } from '../../common/protocol/monitor';
import { parseSmiRow, smiArguments, type SmiRow } from '../probe/nvidiaSmi';

export interface SmiReaderOptions {
  readonly command: string;
  /** The rows of the probe: which cards, in which order. */
  readonly rows: readonly SmiRow[];
  readonly log: Log;
  readonly now: () => number;
  /** Replaced by tests. */
  readonly start?: (command: string, args: readonly string[]) => SmiProcess;
}

export interface SmiProcess {
  onLine(listener: (line: string) => void): void;
  onEnd(listener: () => void): void;
  kill(): void;
}

/** Rows older than this many intervals, and this long, count as no answer. */
const staleIntervals = 4;
const staleMs = 5000;
const shortestIntervalMs = 500;

export class SmiReader implements Disposable {
  private process: SmiProcess | undefined;
  private intervalMs: number | undefined;
  private startedAtMs = 0;
  private readonly latest = new Map<number, { readonly row: SmiRow; readonly atMs: number }>();

  constructor(private readonly options: SmiReaderOptions) {}

  /** Keeps nvidia-smi running at about this interval; undefined ends it. */
  watch(intervalMs: number | undefined): void {
    const wanted = intervalMs === undefined ? undefined : Math.max(intervalMs, shortestIntervalMs);
    const hasEnded = this.process === undefined;
    if (wanted === this.intervalMs && (wanted === undefined || !hasEnded)) {
      return;
    }
    // A program that ends at once is not started more often than this.
    if (wanted === this.intervalMs && this.options.now() - this.startedAtMs < staleMs) {
      return;
    }
    this.end();
    this.intervalMs = wanted;
    if (wanted === undefined) {
      return;
    }
    this.startedAtMs = this.options.now();
    const process = (this.options.start ?? startSmi)(this.options.command, smiArguments(wanted));
    this.process = process;
    process.onLine((line) => {
      const row = parseSmiRow(line);
      if (row !== undefined && this.process === process) {
        this.latest.set(row.index, { row, atMs: this.options.now() });
      }
    });
    process.onEnd(() => {
      if (this.process === process) {
        this.process = undefined;
        this.options.log.log('warn', 'telemetry', 'nvidia-smi ended by itself; it is started again.');
      }
    });
  }

  read(): readonly DeviceReading[] {
    const now = this.options.now();
    const limitMs = Math.max(staleMs, staleIntervals * (this.intervalMs ?? 0));
    return this.options.rows.map(({ index }, position): DeviceReading => {
      const id = deviceId('cuda', position);
      const known = this.latest.get(index);
      if (known?.row.lost !== undefined) {
        return { id, lost: `${id} is lost. ${known.row.lost}. Restart the machine or reset the card.` };
      }
      if (known === undefined) {
        return { id };
      }
      if (now - known.atMs > limitMs) {
        return { id, lost: `${id} gives no readings: nvidia-smi has been silent for ${Math.round((now - known.atMs) / 1000)} s.` };
      }
      const { utilizationPercent, usedBytes, freeBytes, totalBytes, temperatureCelsius, powerWatts, powerLimitWatts, smClockMhz, memoryClockMhz } = known.row;
      return { id, utilizationPercent, usedBytes, freeBytes, totalBytes, temperatureCelsius, powerWatts, powerLimitWatts, smClockMhz, memoryClockMhz };
    });
  }

  /** Takes rows from a single run, for a reading without a watch. */
  accept(output: string): void {
    for (const line of output.split('\n')) {
      const row = parseSmiRow(line);
      if (row !== undefined) {
        this.latest.set(row.index, { row, atMs: this.options.now() });
      }
    }
  }

  get watching(): boolean {
    return this.process !== undefined;
  }

  [Symbol.dispose](): void {
    this.end();
    this.intervalMs = undefined;
  }

  private end(): void {
    const process = this.process;
    this.process = undefined;
    process?.kill();
  }
}

function startSmi(command: string, args: readonly string[]): SmiProcess {
  const child: ChildProcessByStdio<null, Readable, null> = spawn(command, [...args], { stdio: ['ignore', 'pipe', 'ignore'], windowsHide: true });
  const lines = createInterface({ input: child.stdout });
  return {
    onLine: (listener) => void lines.on('line', listener),
    onEnd: (listener) => {
      child.on('error', listener);
      child.on('exit', listener);
    },
    kill: () => void child.kill(),
  };
}
