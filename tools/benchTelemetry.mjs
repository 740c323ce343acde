// Measures what telemetry costs: starts the monitor as the extension does, watches at an interval, and reads its CPU time from the kernel.
// Usage: node tools/benchTelemetry.mjs [--interval 1000] [--seconds 30] [--json]
import { fork } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { values } = parseArgs({ options: { interval: { type: 'string', default: '1000' }, seconds: { type: 'string', default: '30' }, json: { type: 'boolean', default: false } } });
const intervalMs = Number(values.interval);
const seconds = Number(values.seconds);
const bundle = join(root, 'dist/monitor.js');

if (process.platform !== 'linux' || !existsSync(bundle)) {
  process.stderr.write(process.platform === 'linux' ? 'dist/monitor.js is missing: run "npm run build" first.\n' : 'CPU time per thread is read from /proc: Linux only.\n');
  process.exit(2);
}

/** CPU time of all threads of a process in milliseconds; the kernel counts nanoseconds. */
function cpuMs(pid) {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.reduce((sum, thread) => sum + Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]), 0) / 1e6;
}

const child = fork(bundle, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
let numSamples = 0;
let nextId = 1;
const replies = new Map();
child.on('message', (message) => {
  if (message.kind === 'event' && message.name === 'telemetry-sample') {
    numSamples += 1;
  } else if (message.kind === 'reply') {
    replies.get(message.id)?.(message.result);
  }
});
const request = (method, params) =>
  new Promise((resolve) => {
    replies.set(nextId, resolve);
    child.send({ kind: 'request', id: nextId++, method, params });
  });
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const devices = await request('devices-probe', {});
await request('telemetry-watch', { intervalMs, ownPids: [process.pid, child.pid] });
await wait(Math.max(2000, 2 * intervalMs)); // Start-up and the first compilations are not what is measured.
const samplesBefore = numSamples;
const before = cpuMs(child.pid);
const startMs = performance.now();
await wait(seconds * 1000);
const elapsedMs = performance.now() - startMs;
const usedMs = cpuMs(child.pid) - before;
const residentKib = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))[1]);
child.disconnect();

const result = {
  intervalMs,
  elapsedMs: Math.round(elapsedMs),
  numSamples: numSamples - samplesBefore,
  cpuMsPerSample: usedMs / (numSamples - samplesBefore),
  percentOfOneCore: (100 * usedMs) / elapsedMs,
  residentBytes: residentKib * 1024,
  devices: devices.map((device) => `${device.id} ${device.name} (${device.source})`),
};
process.stdout.write(
  values.json
    ? `${JSON.stringify(result)}\n`
    : `${result.devices.join('\n')}\n${result.numSamples} samples in ${(elapsedMs / 1000).toFixed(1)} s at ${intervalMs} ms: ${result.cpuMsPerSample.toFixed(2)} ms of CPU time each, ${result.percentOfOneCore.toFixed(3)} % of one core; ${(residentKib / 1024).toFixed(0)} MiB resident\n`,
);
// Goal: at 1 Hz at most half a percent of a core.
process.exitCode = intervalMs >= 1000 && result.percentOfOneCore > 0.5 ? 1 : 0;
