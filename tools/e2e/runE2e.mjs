// The end-to-end pass: packages the extension, installs it into a served VS Code and walks a user's path in Chromium.
// A pass that fails is walked once more in a new editor, and what needed that is named at the end (docs/decisions/2026-12-01-second-attempt-of-a-pass.md).
// `--screenshot` writes media/screenshot.png from the same product instead. Exit code 3: not run, because something is missing on this machine.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { canServe, ensureServer } from '../vscodeServer.mjs';
import { findBrowser, missingBrowser } from './findBrowser.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const results = join(root, '.cache/tests');
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
  const vsix = join(work, readdirSync(work).find((name) => name.endsWith('.vsix')) ?? '');
  mkdirSync(results, { recursive: true });
  const total = { numPassedTests: 0, numFailedTests: 0 };
  const secondTime = [];
  const files = chosenFiles();
  if (files.length === 0) {
    say(`No file of test/e2e matches ${filters.join(' ')}.`);
    total.numFailedTests = 1;
  }
  for (const file of files) {
    let attempt = runFile(file, vsix, 1);
    if (attempt.failed > 0 && !screenshot) {
      say(`\n${file} failed; once more, in a new editor.`);
      attempt = runFile(file, vsix, 2);
      if (attempt.failed === 0) {
        secondTime.push(file);
      }
    }
    total.numPassedTests += attempt.passed;
    total.numFailedTests += attempt.failed;
  }
  writeFileSync(join(results, 'e2e.json'), JSON.stringify(total));
  if (secondTime.length > 0) {
    say(`\nWent through at the second attempt only: ${secondTime.join(', ')}. What the first one showed is printed above.`);
  }
  process.exitCode = total.numFailedTests > 0 ? 1 : 0;
} finally {
  rmSync(work, { recursive: true, force: true, maxRetries: 5 });
}

/** The end-to-end files whose path contains what was asked for on the command line. */
function chosenFiles() {
  const wanted = filters.length > 0 ? filters : [screenshot ? 'screenshot' : 'test/e2e/pass'];
  return readdirSync(join(root, 'test/e2e'))
    .filter((name) => name.endsWith('.e2e.ts'))
    .map((name) => `test/e2e/${name}`)
    .filter((file) => wanted.some((part) => file.includes(part)));
}

/** Runs one file in an editor of its own. A run that failed without naming a failed test counts as one. */
function runFile(file, vsix, attempt) {
  const folder = join(work, `${basename(file, '.e2e.ts')}-${attempt}`);
  const report = join(results, `${basename(file, '.e2e.ts')}-${attempt}.json`);
  mkdirSync(folder, { recursive: true });
  rmSync(report, { force: true });
  const { status } = spawnSync(
    process.execPath,
    [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--config', join(root, 'tools/e2e/vitest.config.mjs'), '--reporter=verbose', '--reporter=json', `--outputFile.json=${report}`, file],
    { cwd: root, stdio: 'inherit', env: { ...process.env, GLM_E2E_VSIX: vsix, GLM_E2E_BROWSER: browser, GLM_E2E_NODE: server.node, GLM_E2E_ENTRY: server.entry, GLM_E2E_WORK: folder } },
  );
  const { numPassedTests: passed = 0, numFailedTests: named = 0 } = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : {};
  return { passed, failed: status === 0 ? named : Math.max(named, 1) };
}
