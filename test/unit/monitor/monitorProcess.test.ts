import { fork, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { nodeBundle } from '../../../tools/nodeBundle.mjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MonitorContract, TelemetrySample } from '../../../src/common/protocol/monitor';
import { isRpcMessage, RpcClient } from '../../../src/common/protocol/rpc';

const root = join(__dirname, '../../..');
const folder = mkdtempSync(join(tmpdir(), 'monitor-process-'));
const bundle = join(folder, 'monitor.js');
const children: ChildProcess[] = [];

beforeAll(async () => {
  const result = await build({ ...nodeBundle, entryPoints: ['src/monitor/main.ts'], outfile: bundle, metafile: true, logLevel: 'silent' });
  writeFileSync(join(folder, 'inputs.json'), JSON.stringify(Object.keys(result.metafile.inputs)));
});
afterAll(() => {
  children.forEach((child) => child.kill());
  rmSync(folder, { recursive: true, force: true });
});

/** koffi is found from the repository; `koffi.view` throws, as it would under Electron. */
function start() {
  const noView = join(folder, 'noView.cjs');
  writeFileSync(noView, `const koffi = require(${JSON.stringify(join(root, 'node_modules/koffi'))}); koffi.view = () => { throw new Error('external ArrayBuffers are forbidden'); };`);
  const child = fork(bundle, { execArgv: ['--require', noView], env: { ...process.env, NODE_PATH: join(root, 'node_modules') }, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  children.push(child);
  const client = new RpcClient<MonitorContract>((message) => void child.send(message));
  child.on('message', (message) => isRpcMessage(message) && client.receive(message));
  return { child, client };
}

describe('the monitor process', () => {
  it('knows no runtime and no model code',  () => {
    const inputs = JSON.parse(readFileSync(join(folder, 'inputs.json'), 'utf8')) as string[];
    const folders = new Set(inputs.map((path) => path.split('/').slice(0, 2).join('/')));
    expect([...folders].sort()).toEqual(['src/common', 'src/devices', 'src/monitor']);
  });

  it('probes and samples this machine, and ends by itself when its parent goes', async () => {
    const { child, client } = start();
    const devices = await client.request('devices-probe', {});
    const cpu = devices.at(-1);
    expect(cpu).toMatchObject({ id: 'cpu', kind: 'cpu' });
    expect(cpu?.totalBytes).toBeGreaterThan(2 ** 28);
    // Whatever this machine has, the native calls themselves must be possible.
    expect(cpu?.notes.join()).not.toContain('koffi');
    const samples: TelemetrySample[] = [];
    const second = new Promise<void>((resolve) => client.on('telemetry-sample', (sample) => samples.push(sample) === 2 && resolve()));
    await client.request('telemetry-watch', { intervalMs: 200, ownPids: [child.pid as number] });
    await second;
    const reading = samples[1]?.devices.find((device) => device.id === 'cpu');
    expect(reading?.totalBytes).toBe(cpu?.totalBytes);
    expect(reading?.utilizationPercent).toBeGreaterThanOrEqual(0);
    if (process.platform === 'linux') {
      expect(reading?.ownBytes).toBeGreaterThan(2 ** 20);
    }
    const exited = new Promise<number | null>((resolve) => child.on('exit', resolve));
    child.disconnect();
    expect(await exited).toBe(0);
  });

  it('says what it is when started by hand', () => {
    const result = spawnSync(process.execPath, [bundle], { encoding: 'utf8' });
    expect([result.status, result.stderr.trim()]).toEqual([2, 'The monitor process is started by the extension or the command line; it has nothing to talk to on its own.']);
  });
});
