/** A monitor process for the time of a benchmark: what was there before, then readings as often as the monitor gives them. */

import type { DeviceDescription, MonitorContract, TelemetrySample } from '../common/protocol/monitor';
import { lookAround, TelemetryRecorder } from './telemetryRecorder';

/** As often as the monitor allows: cases on a fast device last a few seconds. */
const intervalMs = 200;

type UsedRequest = 'devices-probe' | 'telemetry-watch' | 'telemetry-read';

/** MonitorClient has it. */
export interface MonitorProcess {
  request<M extends UsedRequest>(method: M, params: MonitorContract['requests'][M]['params']): Promise<MonitorContract['requests'][M]['result']>;
  on(name: 'telemetry-sample', listener: (sample: TelemetrySample) => void): () => void;
  end(): Promise<unknown>;
}

/** Owns the process until `close`. */
export class BenchmarkMonitor {
  readonly telemetry: TelemetryRecorder;
  private readonly ownPids: number[] = [];

  private constructor(
    private readonly monitor: MonitorProcess,
    readonly devices: readonly DeviceDescription[],
    nowMs: () => number,
  ) {
    this.telemetry = new TelemetryRecorder(nowMs);
    monitor.on('telemetry-sample', (sample) => this.telemetry.add(sample));
  }

  /** Looks at the machine before anything is started. @throws the monitor's error; the process is ended then. */
  static async open(monitor: MonitorProcess, nowMs: () => number): Promise<BenchmarkMonitor> {
    try {
      const opened = new BenchmarkMonitor(monitor, await monitor.request('devices-probe', {}), nowMs);
      opened.telemetry.add(await lookAround(() => monitor.request('telemetry-read', { ownPids: [] })));
      await opened.watch();
      return opened;
    } catch (error) {
      await monitor.end();
      throw error;
    }
  }

  /** A process whose load is the benchmark's own. */
  addProcess(pid: number): void {
    this.ownPids.push(pid);
    void this.watch().catch(() => undefined);
  }

  async close(): Promise<void> {
    await this.monitor.end();
  }

  private watch(): Promise<unknown> {
    return this.monitor.request('telemetry-watch', { intervalMs, ownPids: this.ownPids });
  }
}
