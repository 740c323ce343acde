// `npm run check`: types, lint with its layers, unit and golden tests, commands of the manifest, tables and schemas made from other files. Runs the slow ones side by side and prints each part's time.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
/** Where testAll.mjs reads the counts. */
const results = join(root, '.cache/tests');
mkdirSync(results, { recursive: true });
const bin = (name) => join(root, 'node_modules', name);
const parts = [
  // The native compiler; one thread of it is done before the others have begun. TypeScript 6 stays for the linter, which needs its JavaScript interface.
  ['types', [bin('typescript-7/bin/tsc'), '--noEmit', '-p', 'tsconfig.json', '--singleThreaded']],
  // Most of what a linter makes is soon garbage: with room for it the collector runs less.
  ['lint', ['--max-semi-space-size=64', bin('eslint/bin/eslint.js'), 'src', 'webview', 'test', 'tools', '--max-warnings', '0', '--cache', '--cache-location', '.cache/eslint/']],
  ['tests', [bin('vitest/vitest.mjs'), 'run', '--reporter=dot', '--reporter=json', `--outputFile.json=${join(results, 'unit.json')}`]],
  ['commands', [join(root, 'tools/checkCommands.mjs')]],
  ['readme', [join(root, 'tools/readmeTables.mjs'), '--check']],
  ['schemas', [join(root, 'tools/schemas.mjs'), '--check']],
].filter(([, args]) => existsSync(args.find((arg) => !arg.startsWith('-'))));

function run([name, args]) {
  const started = performance.now();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: root, env: { ...process.env, FORCE_COLOR: '0' } });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    child.on('close', (code) => resolve({ name, code, output, seconds: (performance.now() - started) / 1000 }));
  });
}

const done = await Promise.all(parts.map(run));
for (const { name, code, output, seconds } of done) {
  process.stdout.write(`\n== ${name}: ${code === 0 ? 'ok' : 'FAILED'} in ${seconds.toFixed(1)} s\n${code === 0 && name !== 'tests' ? '' : output}`);
}
writeFileSync(join(results, 'parts.json'), JSON.stringify(done.map(({ name, code }) => ({ name, ok: code === 0 }))));
process.exit(done.some((result) => result.code !== 0) ? 1 : 0);
