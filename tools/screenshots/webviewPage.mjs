// A page as the editor would serve it to a webview: strict content policy with a nonce, real theme variables, and a fake host instead of the extension.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';
import { chromium } from 'playwright-core';
import { findBrowser, missingBrowser } from '../e2e/findBrowser.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');
const origin = 'https://view.test';
const nonce = 'bm9uY2UtZm9yLXRlc3Rz';

export const contentPolicy = (source) => `default-src 'none'; script-src 'nonce-${nonce}'; style-src ${source} 'nonce-${nonce}'; font-src ${source} data:; img-src ${source} data:`;
export const themeNames = ['dark', 'light', 'high-contrast', 'high-contrast-light'];

const theme = (name) => JSON.parse(readFileSync(join(here, 'themes', `${name}.json`), 'utf8'));

/** Starts the browser; headless, software-drawn. */
export async function launchBrowser() {
  const executablePath = findBrowser();
  if (executablePath === undefined) {
    throw new Error(missingBrowser);
  }
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
}

/** Bundles the view and the fake host into memory. @returns `{ view, host }`, script texts. */
export async function buildScripts({ minify = false } = {}) {
  const bundle = async (entry) => {
    const result = await esbuild.build({ absWorkingDir: root, entryPoints: [entry], bundle: true, write: false, format: 'iife', platform: 'browser', target: 'chrome114', loader: { '.ttf': 'dataurl' }, minify, logLevel: 'warning' });
    return result.outputFiles[0].text;
  };
  const [view, host] = await Promise.all([bundle('webview/chat/main.ts'), bundle('test/webview/support/page.ts')]);
  return { view, host };
}

/** The page's HTML. @param source The origin it is served from, `cspSource` in the editor. */
export function viewHtml(options, source = origin) {
  const setup = { scenario: options.scenario, theme: theme(options.theme ?? 'dark'), savedState: options.savedState, isDoorClosed: options.isDoorClosed, change: options.change };
  return `<!DOCTYPE html><html lang="en"><head><meta charset="UTF-8">
<meta http-equiv="Content-Security-Policy" content="${contentPolicy(source)}">
<meta property="csp-nonce" content="${nonce}">
<title>GLM</title></head><body><div id="root"></div>
<script nonce="${nonce}">window.fakeSetup = ${JSON.stringify(setup).replaceAll('<', '\\u003c')};</script>
<script nonce="${nonce}" src="/host.js"></script><script nonce="${nonce}" src="/chat.js"></script></body></html>`;
}

/**
 * Opens the view in a new page.
 *
 * @param options `scenario`, `theme`, `width`, `height`, `savedState`, `isDoorClosed`, `change`, `reducedMotion`.
 * @returns The page, with `errors` (console errors and uncaught exceptions) and `outside` (requests beyond the page itself).
 */
export async function openView(browser, scripts, options) {
  const context = await browser.newContext({ viewport: { width: options.width ?? 360, height: options.height ?? 720 }, deviceScaleFactor: options.scale ?? 1, reducedMotion: options.reducedMotion ?? 'no-preference' });
  const page = await context.newPage();
  const errors = [];
  const outside = [];
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  page.on('pageerror', (error) => errors.push(String(error)));
  const html = viewHtml(options);
  await page.route('**/*', (route) => {
    const url = route.request().url();
    if (url === `${origin}/`) {
      return route.fulfill({ contentType: 'text/html', body: html });
    }
    if (url === `${origin}/host.js` || url === `${origin}/chat.js`) {
      return route.fulfill({ contentType: 'text/javascript', body: url.endsWith('host.js') ? scripts.host : scripts.view });
    }
    if (!url.startsWith('data:')) {
      outside.push(url);
    }
    return route.abort();
  });
  await page.goto(`${origin}/`);
  return Object.assign(page, { errors, outside });
}
