import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../../../src/common/log';
import { childEnvironment, forkChild } from '../../../../src/engine/client/childChannel';
import { ChildLink } from '../../../../src/engine/client/childLink';
import { systemClock } from '../../../../src/engine/client/clock';
import type { EngineLostError } from '../../../../src/engine/client/engineLostError';

const folder = mkdtempSync(join(tmpdir(), 'glm-child-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;
/** A real child process that runs `source`, and its loss. */
function run(source: string) {
  const modulePath = join(folder, `child${count++}.cjs`);
  writeFileSync(modulePath, source);
  const link = new ChildLink<never>(forkChild({ modulePath, env: { GLM_TEST_VALUE: 'seen' } }), { what: 'engine', clock: systemClock, log: silentLog, readMemoryKills: () => undefined });
  return { link, loss: new Promise<EngineLostError>((resolve) => link.onLost(resolve)) };
}

describe('forkChild', () => {
  it('passes large typed arrays and the environment', async () => {
    const { link } = run(`
      process.on('message', ({ id, params }) => process.send({ kind: 'reply', id, result: { sum: params.ids.reduce((a, b) => a + b, 0), isTyped: params.ids instanceof Int32Array, env: process.env.GLM_TEST_VALUE, asNode: process.env.ELECTRON_RUN_AS_NODE } }));
      process.on('disconnect', () => process.exit(0));
    `);
    const request = link.request as unknown as (method: string, params: unknown) => Promise<unknown>;
    const ids = new Int32Array(1_000_000).fill(3);
    expect(await request.call(link, 'sum', { ids })).toEqual({ sum: 3_000_000, isTyped: true, env: 'seen', asNode: '1' });
    expect(await link.end()).toMatchObject({ exitCode: 0 });
  });

  it('notices an exit within a second, with its code and last words', async () => {
    const { loss } = run(`process.stderr.write('cannot go on\\n'); setTimeout(() => process.exit(3), 50);`);
    const error = await loss;
    expect(error.fields).toMatchObject({ exitCode: 3, lastLines: ['cannot go on'] });
    expect(error.message).toBe('The engine process ended with exit code 3. Its last line was: cannot go on');
  });

  it('notices a kill within a second, though a grandchild keeps the pipes', async () => {
    const { link, loss } = run(`
      const { spawn } = require('node:child_process');
      spawn(process.execPath, ['-e', 'setTimeout(() => {}, 4000)'], { stdio: 'inherit' });
      process.stderr.write('ready\\n');
      setInterval(() => {}, 1000);
    `);
    while (link.lastLines.length === 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    const killedMs = performance.now();
    process.kill(link.pid ?? 0, 'SIGKILL');
    expect((await loss).fields.signal).toBe('SIGKILL');
    expect(performance.now() - killedMs).toBeLessThan(1000);
  });

  it('ends a child that closed its channel but stayed', async () => {
    const { loss } = run(`process.disconnect(); setInterval(() => {}, 1000);`);
    expect((await loss).message).toContain('closed its channel and was ended');
  });

  it('reports an executable that is not there', async () => {
    const link = new ChildLink<never>(forkChild({ modulePath: 'unused', execPath: join(folder, 'no-such-node') }), { what: 'engine', clock: systemClock, log: silentLog, readMemoryKills: () => undefined });
    const error = await new Promise<EngineLostError>((resolve) => link.onLost(resolve));
    expect(error.message).toMatch(/^The engine process could not be started: spawn .*no-such-node ENOENT/);
  });
});

describe('childEnvironment', () => {
  it('puts library folders in front and drops what belongs to the host', () => {
    const env = childEnvironment({ LD_LIBRARY_PATH: '/old', NODE_OPTIONS: '--inspect', KEPT: '1' }, { libraryFolders: ['/cuda', '/cudnn'] }, 'linux');
    expect(env).toEqual({ LD_LIBRARY_PATH: '/cuda:/cudnn:/old', KEPT: '1', ELECTRON_RUN_AS_NODE: '1' });
  });
});
