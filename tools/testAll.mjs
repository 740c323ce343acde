// `npm test`: build, `npm run check`, the reference tests, then the end-to-end pass in a real VS Code. The last line is `N passed, N failed`.
// Where the end-to-end pass cannot run (no Chromium, not Linux x64) it says what is missing; under CI=true that counts as a failure.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findBrowser, missingBrowser } from './e2e/findBrowser.mjs';
import { findSoftwareVulkan, missingSoftwareVulkan } from './softwareVulkan.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const results = join(root, '.cache/tests');
const total = { passed: 0, failed: 0, skipped: [] };
const say = (line) => process.stdout.write(`${line}\n`);

function run(args, env = {}) {
  return spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } }).status ?? 1;
}

/** Adds what vitest wrote; a run that failed without naming a failed test counts as one. */
function count(name, status) {
  const file = join(results, `${name}.json`);
  let failed = 0;
  if (existsSync(file)) {
    const report = JSON.parse(readFileSync(file, 'utf8'));
    failed = report.numFailedTests;
    total.passed += report.numPassedTests;
    total.failed += failed;
  }
  if (status !== 0 && failed === 0) {
    total.failed += 1;
  }
}

function step(title, action) {
  const startedMs = performance.now();
  say(`\n### ${title}`);
  action();
  say(`### ${title}: ${((performance.now() - startedMs) / 1000).toFixed(0)} s`);
}

rmSync(results, { recursive: true, force: true });
mkdirSync(results, { recursive: true });

step('Build', () => {
  if (run(['tools/build.mjs']) !== 0) {
    say('\nThe build failed; nothing else was run.\n0 passed, 1 failed');
    process.exit(1);
  }
});
step('Check', () => {
  // check.mjs writes unit.json and counts types, lint and commands in parts.json.
  const status = run(['tools/check.mjs']);
  const parts = existsSync(join(results, 'parts.json')) ? JSON.parse(readFileSync(join(results, 'parts.json'), 'utf8')) : [];
  for (const part of parts.filter(({ name }) => name !== 'tests')) {
    total[part.ok ? 'passed' : 'failed'] += 1;
  }
  const unit = parts.find(({ name }) => name === 'tests');
  count('unit', unit === undefined ? status : unit.ok ? 0 : 1);
});
if (existsSync(join(root, 'test/reference/vitest.config.mts'))) {
  step('Reference tests', () => {
    const status = run(['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/reference/vitest.config.mts', '--reporter=default', '--reporter=json', `--outputFile.json=${join(results, 'reference.json')}`]);
    count('reference', status);
  });
}
step('WebGPU in software', () => {
  if (findSoftwareVulkan() !== undefined) {
    const status = run(['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/webgpu/vitest.config.mts', '--reporter=default', '--reporter=json', `--outputFile.json=${join(results, 'webgpu.json')}`]);
    count('webgpu', status);
  } else if (process.env.CI === 'true') {
    say(`${missingSoftwareVulkan}\nCI=true: a missing driver is a failure.`);
    total.failed += 1;
  } else {
    total.skipped.push(`the WebGPU tests. ${missingSoftwareVulkan}`);
  }
});
step('Chat view', () => {
  if (findBrowser() !== undefined) {
    const status = run(['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/webview/vitest.config.mjs', '--reporter=default', '--reporter=json', `--outputFile.json=${join(results, 'webview.json')}`]);
    count('webview', status);
  } else if (process.env.CI === 'true') {
    say(`${missingBrowser}\nCI=true: a missing browser is a failure.`);
    total.failed += 1;
  } else {
    total.skipped.push(`the browser tests of the chat view. ${missingBrowser}`);
  }
});
step('Start', () => {
  const status = run(['node_modules/vitest/vitest.mjs', 'run', '--config', 'tools/e2e/vitest.config.mjs', 'test/e2e/start', '--reporter=verbose', '--reporter=json', `--outputFile.json=${join(results, 'start.json')}`]);
  count('start', status);
});
step('End to end', () => {
  const status = run(['tools/e2e/runE2e.mjs']);
  if (status === 3) {
    if (process.env.CI === 'true') {
      say('CI=true: a missing browser is a failure.');
      total.failed += 1;
    } else {
      total.skipped.push('the end-to-end pass (see above)');
    }
  } else {
    count('e2e', status);
  }
});

if (total.skipped.length > 0) {
  say(`\nNot run: ${total.skipped.join(', ')}`);
}
say(`\n${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed > 0 ? 1 : 0);
