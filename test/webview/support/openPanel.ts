/** Opens a built panel in a browser with a page that stands in for the editor; every page is closed and checked after its test. */

import { readFileSync } from 'node:fs';
import * as esbuild from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { contentPolicy, launchBrowser } from '../../../tools/screenshots/webviewPage.mjs';

export interface PanelOptions {
  /** What the stand-in page reads as `window.panelSetup`, besides the theme. */
  readonly setup: Readonly<Record<string, unknown>>;
  readonly theme?: string;
  readonly width?: number;
  readonly height?: number;
}

const origin = 'https://panel.test';
const nonce = 'bm9uY2UtZm9yLXRlc3Rz';

/** Call once at the top of a test file. @returns how to open the panel. */
export function usePanelBrowser(viewEntry: string, hostEntry: string): (options: PanelOptions) => Promise<Page> {
  let browser: Browser;
  let scripts: { readonly view: string; readonly host: string };
  const opened: { readonly page: Page; readonly errors: string[]; readonly outside: string[] }[] = [];
  beforeAll(async () => {
    const bundle = async (entry: string): Promise<string> => {
      const result = await esbuild.build({ entryPoints: [entry], bundle: true, write: false, format: 'iife', platform: 'browser', target: 'chrome114', loader: { '.ttf': 'dataurl' }, logLevel: 'warning' });
      return result.outputFiles[0]?.text ?? '';
    };
    const [started, view, host] = await Promise.all([launchBrowser(), bundle(viewEntry), bundle(hostEntry)]);
    browser = started;
    scripts = { view, host };
  });
  afterEach(async () => {
    for (const { page, errors, outside } of opened.splice(0)) {
      const violations = await page.evaluate(() => window.violations);
      await page.context().close();
      expect({ violations, errors, outside }).toEqual({ violations: [], errors: [], outside: [] });
    }
  });
  afterAll(async () => {
    await browser?.close();
  });
  return async ({ setup, theme = 'dark', width = 1200, height = 900 }) => {
    const context = await browser.newContext({ viewport: { width, height } });
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    const errors: string[] = [];
    const outside: string[] = [];
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
    page.on('pageerror', (error) => errors.push(String(error)));
    const full = { ...setup, theme: JSON.parse(readFileSync(`tools/screenshots/themes/${theme}.json`, 'utf8')) as unknown };
    const html = `<!DOCTYPE html><html lang="en"><head><meta charset="UTF-8"><meta http-equiv="Content-Security-Policy" content="${contentPolicy(origin)}"><meta property="csp-nonce" content="${nonce}"><title>GLM</title></head><body><div id="root"></div>
<script nonce="${nonce}">window.panelSetup = ${JSON.stringify(full).replaceAll('<', '\\u003c')};</script>
<script nonce="${nonce}" src="/host.js"></script><script nonce="${nonce}" src="/view.js"></script></body></html>`;
    await page.route('**/*', (route) => {
      const url = route.request().url();
      if (url === `${origin}/`) {
        return route.fulfill({ contentType: 'text/html', body: html });
      }
      if (url === `${origin}/host.js` || url === `${origin}/view.js`) {
        return route.fulfill({ contentType: 'text/javascript', body: url.endsWith('host.js') ? scripts.host : scripts.view });
      }
      if (!url.startsWith('data:')) {
        outside.push(url);
      }
      return route.abort();
    });
    await page.goto(`${origin}/`);
    opened.push({ page, errors, outside });
    return page;
  };
}

/** What the panel asked of its host, by method. */
export function panelRequests(page: Page, method: string): Promise<unknown[]> {
  return page.evaluate((name) => window.panelRequests.filter((request) => request.method === name).map((request) => request.params), method);
}

/** Elements that stick out of the view to the right and cannot be scrolled to. */
export function wideElements(page: Page, mayScroll: string): Promise<readonly string[]> {
  return page.evaluate((scrollers) => {
    const found: string[] = [];
    const visit = (root: Document | ShadowRoot, within: boolean): void => {
      for (const element of root.querySelectorAll('*')) {
        const scrolls = within || element.closest(scrollers) !== null;
        if (element.shadowRoot) {
          visit(element.shadowRoot, scrolls);
        }
        const box = element.getBoundingClientRect();
        if (!scrolls && box.width > 0 && box.right > innerWidth + 1 && !element.classList.contains('visually-hidden')) {
          found.push(`${element.tagName}.${String(element.className)}`);
        }
      }
    };
    visit(document, false);
    return found;
  }, mayScroll);
}
