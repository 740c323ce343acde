import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Log } from '../../../../src/common/log';
import { LintWorkerClient } from '../../../../src/extension/diagnostics/lintWorkerClient';

const settings = {};
let folder = '';
let client: LintWorkerClient | undefined;
let logged: string[] = [];
const log: Log = { log: (_level, _tag, message) => void logged.push(message) };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'glm-lint-worker-'));
  logged = [];
});

afterEach(() => {
  client?.dispose();
  rmSync(folder, { recursive: true });
});

/** A thread that answers with the text it got, fails on "fail" and dies on "die". */
function startClient(): LintWorkerClient {
  const path = join(folder, 'worker.cjs');
  writeFileSync(
    path,
    `const { parentPort } = require('node:worker_threads');
     parentPort.on('message', ({ id, work }) => {
       if (work.text === 'die') process.exit(7);
       if (work.text === 'fail') return parentPort.postMessage({ id, error: 'no' });
       parentPort.postMessage({ id, result: { diagnostics: [], changed: [{ index: 0, text: work.text }] } });
     });`,
  );
  client = new LintWorkerClient(path, log);
  return client;
}

const ask = async (target: LintWorkerClient, text: string): Promise<string | undefined> => (await target.request({ kind: 'document', key: 'k', text, settings })).changed[0]?.text;

describe('LintWorkerClient', () => {
  it('matches answers to requests', async () => {
    const target = startClient();
    expect(await Promise.all(['a', 'b', 'c'].map((text) => ask(target, text)))).toEqual(['a', 'b', 'c']);
  });

  it('rejects only the request that failed', async () => {
    const target = startClient();
    const results = await Promise.allSettled([ask(target, 'fail'), ask(target, 'ok')]);
    expect(results.map((result) => result.status)).toEqual(['rejected', 'fulfilled']);
  });

  it('starts a new thread after a crash', async () => {
    const target = startClient();
    await expect(ask(target, 'die')).rejects.toThrow('exit code 7');
    expect(await ask(target, 'again')).toBe('again');
    expect(logged).toHaveLength(1);
  });

  it('gives up after three crashes in a row, and says so', async () => {
    const target = startClient();
    for (let crash = 0; crash < 3; crash++) {
      await expect(ask(target, 'die')).rejects.toThrow();
    }
    expect(await ask(target, 'x')).toBeUndefined();
    expect(logged.at(-1)).toContain('stays off');
  });

  it('settles what waits when it is disposed, and may be disposed twice', async () => {
    const target = startClient();
    const waiting = ask(target, 'slow');
    target.dispose();
    target.dispose();
    expect(await waiting).toBeUndefined();
    expect(await ask(target, 'late')).toBeUndefined();
  });
});
