// The end-to-end pass: packages the extension, installs it into a served VS Code and walks a user's path in Chromium.
// `--screenshot` writes media/screenshot.png from the same product instead. Exit code 3: not run, because something is missing on this machine.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { canServe, ensureServer } from '../vscodeServer.mjs';
import { findBrowser, missingBrowser } from './findBrowser.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const screenshot = process.argv.includes('--screenshot');
const filters = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));
const say = (line) => process.stdout.write(`${line}\n`);

const browser = findBrowser();
if (browser === undefined || !canServe()) {
  say(browser === undefined ? missingBrowser : `A VS Code can be served on Linux x64 with glibc only; this is ${process.platform} ${process.arch}.`);
  process.exit(3);
}
const server = ensureServer(say);
const work = mkdtempSync(join(tmpdir(), 'glm-e2e-'));
try {
  const packed = spawnSync(process.execPath, [join(root, 'tools/package/packageVsix.mjs'), '--target', 'linux-x64', '--out', work], { cwd: root, stdio: 'inherit' });
  if (packed.status !== 0) {
    process.exit(1);
  }
  mkdirSync(join(root, '.cache/tests'), { recursive: true });
  const result = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--config',
      join(root, 'tools/e2e/vitest.config.mjs'),
      '--reporter=verbose',
      '--reporter=json',
      `--outputFile.json=${join(root, '.cache/tests/e2e.json')}`,
      ...(filters.length > 0 ? filters : [screenshot ? 'screenshot' : 'test/e2e/pass']),
    ],
    {
      cwd: root,
      stdio: 'inherit',
      env: {
        ...process.env,
        GLM_E2E_VSIX: join(work, readdirSync(work).find((name) => name.endsWith('.vsix')) ?? ''),
        GLM_E2E_BROWSER: browser,
        GLM_E2E_NODE: server.node,
        GLM_E2E_ENTRY: server.entry,
        GLM_E2E_WORK: work,
      },
    },
  );
  process.exitCode = result.status ?? 1;
} finally {
  rmSync(work, { recursive: true, force: true, maxRetries: 5 });
}
