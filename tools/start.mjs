// `npm start`: builds, then opens VS Code with the extension: the desktop one when it is found, else one served on 127.0.0.1.
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheRoot, canServe, ensureServer, freePort, installVsix, prepareRun, startServer } from './vscodeServer.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const say = (line) => process.stdout.write(`${line}\n`);
const folder = process.env.GLM_OPEN_FOLDER ?? join(root, 'examples');

/** The desktop editor's command: GLM_CODE, else `code` on PATH. */
function findCode() {
  if (process.env.GLM_CODE !== undefined) {
    return process.env.GLM_CODE || undefined;
  }
  const names = process.platform === 'win32' ? ['code.cmd', 'code.exe'] : ['code'];
  for (const entry of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of names) {
      try {
        accessSync(join(entry, name), constants.X_OK);
        return join(entry, name);
      } catch {
        // Not in this folder.
      }
    }
  }
  return undefined;
}

/** True when the desktop editor took the order. */
function openDesktop(code) {
  const args = [`--extensionDevelopmentPath=${root}`, '--new-window', folder];
  say(`Opening ${code} with the extension …`);
  const quoted = process.platform === 'win32' ? args.map((arg) => `"${arg}"`) : args;
  const result = spawnSync(process.platform === 'win32' ? `"${code}"` : code, quoted, { stdio: 'inherit', shell: process.platform === 'win32' });
  if (result.status === 0) {
    say('VS Code is open. The GLM view is in the activity bar; ask the demo model something.');
    return true;
  }
  say(`${code} ended with ${result.error?.message ?? `code ${result.status}`}.`);
  return false;
}

async function serve() {
  const server = ensureServer(say);
  const run = prepareRun(process.env.GLM_START_FOLDER ?? join(cacheRoot(), 'start'));
  const port = process.env.GLM_PORT === undefined ? await freePort() : Number(process.env.GLM_PORT);
  const password = process.env.GLM_PASSWORD;
  mkdirSync(folder, { recursive: true });
  const packages = mkdtempSync(join(tmpdir(), 'glm-start-'));
  try {
    say('Packaging and installing the extension …');
    const packed = spawnSync(process.execPath, [join(root, 'tools/package/packageVsix.mjs'), '--out', packages], { cwd: root, encoding: 'utf8' });
    if (packed.status !== 0) {
      throw new Error(packed.stdout + packed.stderr);
    }
    installVsix(server, run, join(packages, readdirSync(packages)[0]));
  } finally {
    rmSync(packages, { recursive: true, force: true });
  }
  const running = await startServer(server, run, { port, home: homedir(), password, env: { GLM_OPEN_VIEW: '1' } });
  const address = `${running.address}/?folder=${encodeURIComponent(folder)}`;
  say('');
  say('VS Code with GLM Local is ready. Open this address in a browser:');
  say('');
  say(`  ${address}`);
  say('');
  if (password === undefined) {
    say('It listens on this machine only, but every user of this machine can open it; set GLM_PASSWORD to have it ask for a password.');
  }
  say('Ctrl+C ends it.');
  const end = async () => {
    await running.stop();
    process.exit(0);
  };
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  process.once('SIGHUP', end);
  running.process.once('exit', (code) => {
    process.stderr.write(`VS Code's server ended with code ${code}.\n${running.output().slice(-2000)}\n`);
    process.exit(1);
  });
}

const build = await new Promise((resolve) => spawn(process.execPath, [join(root, 'tools/build.mjs')], { cwd: root, stdio: 'inherit' }).once('exit', resolve));
if (build !== 0) {
  process.exit(build ?? 1);
}
const code = findCode();
if (code === undefined || !openDesktop(code)) {
  if (canServe() && process.env.GLM_CAN_SERVE !== 'no') {
    await serve();
  } else {
    process.stderr.write(
      `No VS Code was found on this ${process.platform} ${process.arch} machine. Install it from https://code.visualstudio.com, make its \`code\` command available ` +
        '(in VS Code: "Shell Command: Install \'code\' command in PATH"), and run npm start again. GLM_CODE can name the command if it lies elsewhere.\n',
    );
    process.exit(1);
  }
}
