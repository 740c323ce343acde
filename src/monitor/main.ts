/** The monitor process: devices and telemetry over IPC. Knows no model and no runtime; ends when its parent does. */

import { isRpcMessage } from '../common/protocol/rpc';
import { MonitorServer } from './monitorServer';

const send = process.send?.bind(process);
if (send === undefined) {
  process.stderr.write('The monitor process is started by the extension or the command line; it has nothing to talk to on its own.\n');
  process.exit(2);
}

const server = new MonitorServer({
  // A parent that has just gone makes the send fail; its disconnect event follows and ends the process.
  send: (message) => void send(message, undefined, undefined, () => undefined),
  clock: {
    now: () => Date.now(),
    after: (ms, callback) => {
      const timer = setTimeout(callback, ms);
      return () => clearTimeout(timer);
    },
  },
  env: process.env,
});

process.on('message', (message: unknown) => {
  if (isRpcMessage(message)) {
    server.receive(message);
  }
});

process.on('disconnect', () => {
  server[Symbol.dispose]();
  process.exit(0);
});

// The terminal's Ctrl-C reaches the whole group; the parent decides when the monitor ends.
process.on('SIGINT', () => undefined);
