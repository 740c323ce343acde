// Bundles every entry point into dist/. `--watch` rebuilds on change; `--package DIR` writes minified product bundles, without test programs, into DIR.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';
import { nodeBundle } from './nodeBundle.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const watch = process.argv.includes('--watch');
const packageFolder = process.argv.includes('--package') ? process.argv[process.argv.indexOf('--package') + 1] : undefined;
const minify = packageFolder !== undefined;
const dist = packageFolder === undefined ? 'dist' : resolve(packageFolder);

/** Bundles that run on Node: entry → file in dist. Missing entries are skipped with a notice, so that a partial checkout still builds. */
const nodeEntries = {
  'src/extension/main.ts': 'extension.js',
  'src/engine/worker/main.ts': 'engineWorker.js',
  'src/engine/worker/packing/packThread.ts': 'packThread.js',
  'src/monitor/main.ts': 'monitor.js',
  'src/cli/main.ts': 'cli.js',
  'src/extension/diagnostics/lintWorker.ts': 'lintWorker.js',
  ...(minify ? {} : { 'test/gpu/main.ts': 'testGpu.js', 'src/bench/gpu/main.ts': 'benchGpu.js' }),
};

/** Bundles that run in a webview. */
const webviewEntries = {
  'webview/chat/main.ts': 'webview/chat.js',
  'webview/profiler/main.ts': 'webview/profiler.js',
  'webview/report/main.ts': 'webview/report.js',
};

/** The commit, for benchmark reports; empty outside a repository. */
const commit = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).stdout?.trim() ?? '';
const common = { bundle: true, sourcemap: !minify, minify, logLevel: 'info', absWorkingDir: root };
const present = (entries) => Object.entries(entries).filter(([entry]) => existsSync(join(root, entry)));

const configs = [
  ...present(nodeEntries).map(([entry, out]) => ({
    ...nodeBundle,
    ...common,
    entryPoints: [entry],
    outfile: join(dist, out),
    define: { 'process.env.GLM_BUILD_COMMIT': JSON.stringify(commit) },
    ...(out === 'cli.js' ? { banner: { js: '#!/usr/bin/env node' } } : {}),
  })),
  ...present(webviewEntries).map(([entry, out]) => ({
    ...common,
    entryPoints: [entry],
    outfile: join(dist, out),
    platform: 'browser',
    target: 'chrome114',
    format: 'iife',
    loader: { '.ttf': 'dataurl' },
  })),
];

/** Files that bundles read at run time. */
const assets = [
  ['node_modules/web-tree-sitter/web-tree-sitter.wasm', 'wasm/web-tree-sitter.wasm'],
  ['node_modules/@vscode/tree-sitter-wasm/wasm/tree-sitter-python.wasm', 'wasm/tree-sitter-python.wasm'],
];
for (const [from, to] of assets) {
  if (existsSync(join(root, from))) {
    mkdirSync(dirname(resolve(root, dist, to)), { recursive: true });
    cpSync(join(root, from), resolve(root, dist, to));
  }
}

if (watch) {
  for (const config of configs) {
    await (await esbuild.context(config)).watch();
  }
} else {
  await Promise.all(configs.map((config) => esbuild.build({ ...config, logLevel: 'warning' })));
  process.stdout.write(`built ${configs.map((config) => config.outfile).join(', ')}\n`);
}
