// Runs before `npm start` and `npm test`: installs the locked packages when they are missing or older than the lock file. Uses nothing but Node.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const [major] = process.versions.node.split('.').map(Number);
if (major < 20) {
  process.stderr.write(`GLM Local needs Node 20 or newer; this is ${process.versions.node}. Install a current Node from https://nodejs.org and run the command again.\n`);
  process.exit(1);
}

const marker = join(root, 'node_modules', '.package-lock.json');
const lock = join(root, 'package-lock.json');
const fresh = existsSync(marker) && statSync(marker).mtimeMs >= statSync(lock).mtimeMs;
if (!fresh) {
  process.stdout.write('Installing packages (once) …\n');
  const npm = process.env.npm_execpath;
  // Without install scripts: native parts come as packages of their own, and one script would download gigabytes.
  const args = ['ci', '--no-audit', '--no-fund', '--ignore-scripts'];
  const result = npm
    ? spawnSync(process.execPath, [npm, ...args], { cwd: root, stdio: 'inherit' })
    : spawnSync('npm', args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' });
  if (result.status !== 0) {
    process.stderr.write('npm ci failed (see above). Check the network or the registry setting of npm, then run the command again.\n');
    process.exit(result.status ?? 1);
  }
}
