/** `npm start` with a desktop editor, played by a stand-in that records its arguments. */

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'glm-start-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A program named `code` that writes its arguments as JSON and ends with `exitCode`. */
function makeStandIn(exitCode = 0): { readonly path: string; recorded(): readonly string[] } {
  const path = join(folder, 'code');
  const record = join(folder, 'arguments.json');
  writeFileSync(path, `#!${process.execPath}\nrequire('fs').writeFileSync(${JSON.stringify(record)}, JSON.stringify(process.argv.slice(2)));\nprocess.exit(${exitCode});\n`);
  chmodSync(path, 0o755);
  return { path, recorded: () => JSON.parse(readFileSync(record, 'utf8')) as string[] };
}

function start(env: NodeJS.ProcessEnv): { readonly status: number | null; readonly output: string } {
  const result = spawnSync(process.execPath, ['tools/start.mjs'], { encoding: 'utf8', env: { ...process.env, ...env }, timeout: 100_000 });
  return { status: result.status, output: result.stdout + result.stderr };
}

describe.skipIf(process.platform === 'win32')('npm start with a desktop editor', () => {
  it('opens the `code` that is on PATH with the extension and a folder to try it in', () => {
    const code = makeStandIn();
    const { status, output } = start({ GLM_CODE: undefined, PATH: `${folder}${delimiter}${process.env.PATH}` });
    expect(output).toContain('VS Code is open');
    expect(status).toBe(0);
    expect(code.recorded()).toEqual([`--extensionDevelopmentPath=${resolve('.')}`, '--new-window', resolve('examples')]);
  });

  it('takes the command that GLM_CODE names', () => {
    const code = makeStandIn();
    expect(start({ GLM_CODE: code.path, GLM_OPEN_FOLDER: '/somewhere' }).status).toBe(0);
    expect(code.recorded().at(-1)).toBe('/somewhere');
  });

  it('says what to install where neither a desktop editor nor a served one can run', () => {
    const { status, output } = start({ GLM_CODE: '', GLM_CAN_SERVE: 'no' });
    expect(status).toBe(1);
    expect(output).toContain('https://code.visualstudio.com');
  });
});
