import { formatBytes } from '../../common/byteFormat';
import type { DeviceDescription } from '../../common/protocol/monitor';
import { addAction, type RegisterCommand } from '../command';
import { formatTable } from '../textTable';

/** `glm devices`: what this machine has, and why something is missing. */
export const registerDevices: RegisterCommand = (program, host) => {
  addAction(program.command('devices').description('list the devices of this machine'), host, async (_flags, invocation) => {
    const monitor = invocation.context.startMonitor(invocation.log);
    try {
      const devices = await monitor.request('devices-probe', {}, invocation.signal);
      invocation.output.result({ devices }, describeDevices(devices));
    } finally {
      await monitor.end();
    }
  });
};

function describeDevices(devices: readonly DeviceDescription[]): string {
  const table = formatTable(
    ['device', 'name', 'free', 'total', 'driver', 'read from'],
    devices.map((device) => [device.id, device.name, formatBytes(device.freeBytes), formatBytes(device.totalBytes), device.driverVersion ?? 'n/a', device.source]),
  );
  const notes = devices.flatMap((device) => device.notes.map((note) => `${device.id}: ${note}`));
  return [table, ...notes].join('\n');
}
