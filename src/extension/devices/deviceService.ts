/**
 * Devices and their readings, from the monitor process, which runs only while someone looks.
 * Holds the last minutes of samples, so that curves survive hiding the view.
 */

import type { Log } from '../../common/log';
import type { DeviceDescription, TelemetrySample } from '../../common/protocol/monitor';
import type { MonitorClient } from '../../engine/client';
import { Emitter } from '../emitter';

export interface DeviceServiceOptions {
  readonly start: () => MonitorClient;
  readonly log: Log;
  readonly intervalMs: () => number;
  /** The engine's process, whose share is told apart. */
  readonly ownPids: () => readonly number[];
  /** How long the process stays after the last viewer left. */
  readonly lingerMs?: number;
}

const keptSamples = 300;

export class DeviceService {
  readonly onDevices = new Emitter<readonly DeviceDescription[]>();
  readonly onSample = new Emitter<TelemetrySample>();

  private viewers = 0;
  private client: MonitorClient | undefined;
  private found: readonly DeviceDescription[] = [];
  private readonly samples: TelemetrySample[] = [];
  private linger: NodeJS.Timeout | undefined;
  private failures = 0;

  constructor(private readonly options: DeviceServiceOptions) {}

  get devices(): readonly DeviceDescription[] {
    return this.found;
  }

  /** Oldest first. */
  get recentSamples(): readonly TelemetrySample[] {
    return this.samples;
  }

  /** Undefined while the monitor does not run. */
  get monitorPid(): number | undefined {
    return this.client?.pid;
  }

  /** Readings flow until the returned function is called. */
  watch(): () => void {
    this.viewers += 1;
    clearTimeout(this.linger);
    if (this.viewers === 1) {
      this.failures = 0;
      this.apply();
    }
    let ended = false;
    return () => {
      if (!ended) {
        ended = true;
        this.viewers -= 1;
        if (this.viewers === 0) {
          this.apply();
          this.linger = setTimeout(() => void this.end(), this.options.lingerMs ?? 30_000);
          this.linger.unref();
        }
      }
    };
  }

  /** Tells the monitor of a changed interval or engine process. */
  apply(): void {
    if (this.viewers === 0 && this.client === undefined) {
      return;
    }
    const client = this.client ?? this.begin();
    const ownPids = this.options.ownPids();
    client.request('telemetry-watch', this.viewers === 0 ? { ownPids } : { intervalMs: this.options.intervalMs(), ownPids }).catch((error: unknown) => this.tell(error));
  }

  /** A probe now, such as for the diagnose page; starts the process when needed. */
  async probe(): Promise<readonly DeviceDescription[]> {
    const stop = this.watch();
    try {
      const client = this.client ?? this.begin();
      this.setDevices(await client.request('devices-probe', {}));
      return this.found;
    } finally {
      stop();
    }
  }

  async dispose(): Promise<void> {
    clearTimeout(this.linger);
    this.viewers = 0;
    await this.end();
  }

  private begin(): MonitorClient {
    const client = this.options.start();
    this.client = client;
    client.on('telemetry-sample', (sample) => {
      this.failures = 0;
      this.samples.push(sample);
      if (this.samples.length > keptSamples) {
        this.samples.shift();
      }
      this.onSample.fire(sample);
    });
    client.on('devices-changed', (devices) => this.setDevices(devices));
    client.onLost(() => {
      if (this.client === client) {
        this.client = undefined;
        this.failures += 1;
        // A monitor that keeps dying would be started once a second for ever.
        if (this.viewers > 0 && this.failures <= 3) {
          this.apply();
        }
      }
    });
    client.request('devices-probe', {}).then(
      (devices) => this.setDevices(devices),
      (error: unknown) => this.tell(error),
    );
    return client;
  }

  private async end(): Promise<void> {
    const { client } = this;
    this.client = undefined;
    await client?.end();
  }

  private setDevices(devices: readonly DeviceDescription[]): void {
    this.found = devices;
    this.onDevices.fire(devices);
  }

  private tell(error: unknown): void {
    this.options.log.log('warn', 'devices', `The monitor did not answer: ${error instanceof Error ? error.message : String(error)}`);
  }
}
