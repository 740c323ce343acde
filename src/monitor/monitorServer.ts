/** The answering end of the monitor's contract: probe on demand, samples while someone watches. */

import { GlmError } from '../common/errors';
import type { Log } from '../common/log';
import type { DeviceDescription, MonitorContract, TelemetrySample } from '../common/protocol/monitor';
import { RpcServer, type RpcMessage } from '../common/protocol/rpc';
import { openSources, type DeviceSources } from '../devices/probe/deviceSources';
import { probeDevices } from '../devices/probe/probeDevices';
import { Telemetry, type TelemetryClock } from '../devices/telemetry/telemetry';

export interface MonitorServerOptions {
  readonly send: (message: RpcMessage) => void;
  readonly clock: TelemetryClock;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Replaced by tests. */
  readonly openSources?: (log: Log) => Promise<DeviceSources>;
}

/** Opens the devices with the first request, not before: starting the process stays cheap. */
export class MonitorServer implements Disposable {
  private readonly rpc: RpcServer<MonitorContract>;
  private readonly log: Log;
  private opening: Promise<{ readonly sources: DeviceSources; readonly telemetry: Telemetry }> | undefined;
  private lostDevices = '';

  constructor(private readonly options: MonitorServerOptions) {
    this.log = {
      log: (level, tag, message, fields) => this.rpc.emit('log', { timeMs: options.clock.now(), level, tag, message, fields }),
    };
    this.rpc = new RpcServer<MonitorContract>(options.send, {
      'devices-probe': async () => this.probe((await this.open()).sources),
      'telemetry-watch': async ({ intervalMs, ownPids }) => {
        if (intervalMs !== undefined && !(intervalMs > 0)) {
          throw new GlmError('bad-interval', `Expected a sample interval of 200 to 10,000 ms, got ${intervalMs}.`);
        }
        (await this.open()).telemetry.watch(intervalMs, ownPids);
        return {};
      },
      'telemetry-history': async ({ sinceMs }) => (await this.open()).telemetry.history(sinceMs),
      'telemetry-read': async ({ ownPids }) => (await this.open()).telemetry.read(ownPids),
    });
  }

  receive(message: RpcMessage): void {
    this.rpc.receive(message);
  }

  [Symbol.dispose](): void {
    this.rpc.abortAll();
    void this.opening?.then(({ sources, telemetry }) => {
      telemetry[Symbol.dispose]();
      sources.close();
    });
  }

  private open(): Promise<{ readonly sources: DeviceSources; readonly telemetry: Telemetry }> {
    this.opening ??= (this.options.openSources ?? ((log) => openSources({ env: this.options.env, log })))(this.log).then((sources) => ({
      sources,
      telemetry: new Telemetry({ sources, log: this.log, clock: this.options.clock, onSample: (sample) => this.onSample(sources, sample) }),
    }));
    return this.opening;
  }

  private probe(sources: DeviceSources): readonly DeviceDescription[] {
    return probeDevices(sources);
  }

  /** A device that stops or starts answering changes what exists: the list goes out anew. */
  private onSample(sources: DeviceSources, sample: TelemetrySample): void {
    this.rpc.emit('telemetry-sample', sample);
    const lost = sample.devices.flatMap((device) => (device.lost === undefined ? [] : [device.id])).join(' ');
    if (lost !== this.lostDevices) {
      this.lostDevices = lost;
      for (const device of sample.devices) {
        if (device.lost !== undefined) {
          this.log.log('error', 'telemetry', device.lost);
        }
      }
      this.rpc.emit('devices-changed', this.probe(sources));
    }
  }
}
