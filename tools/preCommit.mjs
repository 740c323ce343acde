#!/usr/bin/env node
// The pre-commit hook `glm-lint`: runs `glm lint` on the files given. pre-commit keeps a copy of this repository; the first run there installs and builds.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const cli = join(root, 'dist', 'cli.js');

/** Runs one Node program; what it prints goes to `stdio`, and a failure ends the hook. */
function run(program, args, stdio) {
  const { status } = spawnSync(process.execPath, [program, ...args], { stdio });
  if (status !== 0) {
    process.exit(status ?? 1);
  }
}

if (!existsSync(cli)) {
  // Progress to stderr: stdout is for findings.
  run(join(root, 'tools', 'ensureInstalled.mjs'), [], ['ignore', 2, 2]);
  run(join(root, 'tools', 'build.mjs'), [], ['ignore', 2, 2]);
}
// Excludes of pyproject.toml hold although the files are named one by one.
run(cli, ['lint', '--force-exclude', ...process.argv.slice(2)], 'inherit');
