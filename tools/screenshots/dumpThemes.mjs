// Writes themes/*.json: the CSS variables, body attributes and default styles that VS Code's own webviews get, for four built-in themes.
// Run `node tools/screenshots/dumpThemes.mjs` after raising the VS Code version; the harness and the browser tests read the files.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { ensureServer, installVsix, prepareRun, startServer, vscodeVersion } from '../vscodeServer.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');
const themes = { dark: 'Dark 2026', light: 'Light Modern', 'high-contrast': 'Default High Contrast', 'high-contrast-light': 'Default High Contrast Light' };

const work = mkdtempSync(join(tmpdir(), 'glm-themes-'));
const resultFile = join(work, 'themes.json');
const extension = join(work, 'dumper');
mkdirSync(extension);
writeFileSync(
  join(extension, 'package.json'),
  JSON.stringify({ name: 'theme-dumper', version: '0.0.1', publisher: 'glm-local', engines: { vscode: '^1.104.0' }, main: './main.js', activationEvents: ['onStartupFinished'] }),
);
writeFileSync(
  join(extension, 'main.js'),
  `const vscode = require('vscode');
const fs = require('node:fs');
exports.activate = async () => {
  const panel = vscode.window.createWebviewPanel('dump', 'Dump', 1, { enableScripts: true });
  const replies = [];
  panel.webview.onDidReceiveMessage((message) => replies.push(message));
  panel.webview.html = '<body><script>const api = acquireVsCodeApi(); const send = () => api.postMessage({ css: document.documentElement.style.cssText, bodyClass: document.body.className, data: { ...document.body.dataset }, defaults: document.getElementById("_defaultStyles")?.textContent }); new MutationObserver(send).observe(document.body, { attributes: true }); send();</script>';
  const found = {};
  for (const [key, name] of Object.entries(${JSON.stringify(themes)})) {
    await vscode.workspace.getConfiguration('workbench').update('colorTheme', name, true);
    while (replies.at(-1)?.data.vscodeThemeId !== name) {
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
    found[key] = replies.at(-1);
  }
  fs.writeFileSync(${JSON.stringify(resultFile)}, JSON.stringify(found));
};
`,
);
const packed = spawnSync(process.execPath, [join(root, 'node_modules/@vscode/vsce/vsce'), 'package', '--no-dependencies', '--allow-missing-repository', '--skip-license', '-o', join(work, 'dumper.vsix')], { cwd: extension, encoding: 'utf8' });
if (packed.status !== 0) {
  throw new Error(packed.stdout + packed.stderr);
}
const vscode = ensureServer((line) => process.stdout.write(`${line}\n`));
const run = prepareRun(join(work, 'run'), { 'window.autoDetectColorScheme': false, 'window.autoDetectHighContrast': false });
installVsix(vscode, run, join(work, 'dumper.vsix'));
const server = await startServer(vscode, run, { port: 18473 });
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
try {
  const page = await browser.newPage();
  await page.goto(`${server.address}/?folder=${work}`);
  const deadline = Date.now() + 90_000;
  while (!existsSync(resultFile)) {
    if (Date.now() > deadline) {
      throw new Error(`No themes after 90 s:\n${server.output()}`);
    }
    await page.waitForTimeout(500);
  }
  const found = JSON.parse(readFileSync(resultFile, 'utf8'));
  for (const [key, dump] of Object.entries(found)) {
    const variables = Object.fromEntries(
      dump.css
        .split(/;\s*(?=--)/)
        .map((line) => line.match(/^(--[\w-]+):\s*([\s\S]*?);?\s*$/))
        .filter((match) => match && !/^--vscode-editor-font-(weight|size|feature)/.test(match[1]))
        .map((match) => [match[1], match[2]]),
    );
    const record = { source: `VS Code ${vscodeVersion}, theme "${themes[key]}", written by tools/screenshots/dumpThemes.mjs`, bodyClass: dump.bodyClass, data: dump.data, defaults: dump.defaults, variables };
    writeFileSync(join(here, 'themes', `${key}.json`), `${JSON.stringify(record, undefined, 1)}\n`);
    process.stdout.write(`${key}: ${Object.keys(variables).length} variables\n`);
  }
} finally {
  await browser.close();
  await server.stop();
  rmSync(work, { recursive: true, force: true });
}
