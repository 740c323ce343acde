import type { MonitorContract } from '../../common/protocol/monitor';
import { silentLog, type Log } from '../../common/log';
import { forkChild, type ChildChannel, type ForkOptions } from './childChannel';
import { ChildLink } from './childLink';
import { systemClock, type Clock } from './clock';
import { readMemoryKillCount } from './memoryKillCount';

export interface StartMonitorOptions {
  /** The monitor's bundle, `dist/monitor.js`. */
  readonly monitorPath: string;
  readonly execPath?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly log?: Log;
  readonly clock?: Clock;
  /** Given by tests. */
  readonly fork?: (options: ForkOptions) => ChildChannel;
}

/** The running monitor process: devices and their readings, model or not. Whoever started it calls `end`. */
export class MonitorClient extends ChildLink<MonitorContract> {}

/** Starts the monitor process. Returns at once; a failed start arrives through `onLost` and rejects the first request. */
export function startMonitor(options: StartMonitorOptions): MonitorClient {
  const channel = (options.fork ?? forkChild)({ modulePath: options.monitorPath, execPath: options.execPath, env: options.env });
  const client = new MonitorClient(channel, {
    what: 'monitor',
    clock: options.clock ?? systemClock,
    log: options.log ?? silentLog,
    readMemoryKills: () => readMemoryKillCount('self'),
  });
  client.on('log', (record) => client.takeLogRecord(record));
  return client;
}
