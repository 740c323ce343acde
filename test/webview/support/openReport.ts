/** Opens the built report view in a browser, over the host's own view of a report; every page is closed and checked after its test. */

import { readFileSync } from 'node:fs';
import * as esbuild from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { contentPolicy, launchBrowser } from '../../../tools/screenshots/webviewPage.mjs';
import type { BenchmarkReport } from '../../../src/bench/report/schema';
import { compareWithBaseline, toReportView } from '../../../src/extension/benchmark/reportView';

export interface ReportOptions {
  readonly report: BenchmarkReport;
  readonly history?: readonly BenchmarkReport[];
  readonly theme?: string;
  readonly width?: number;
  readonly height?: number;
}

const origin = 'https://report.test';
const nonce = 'bm9uY2UtZm9yLXRlc3Rz';
let browser: Browser;
let scripts: { readonly view: string; readonly host: string };
const opened: { readonly page: Page; readonly errors: string[]; readonly outside: string[] }[] = [];

/** Call once at the top of a test file. */
export function useReportBrowser(): void {
  beforeAll(async () => {
    const bundle = async (entry: string): Promise<string> => {
      const result = await esbuild.build({ entryPoints: [entry], bundle: true, write: false, format: 'iife', platform: 'browser', target: 'chrome114', loader: { '.ttf': 'dataurl' }, logLevel: 'warning' });
      return result.outputFiles[0]?.text ?? '';
    };
    const [started, view, host] = await Promise.all([launchBrowser(), bundle('webview/report/main.ts'), bundle('test/webview/support/reportPage.ts')]);
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
}

export async function openReport({ report, history = [], theme = 'dark', width = 1200, height = 900 }: ReportOptions): Promise<Page> {
  const context = await browser.newContext({ viewport: { width, height } });
  const page = await context.newPage();
  page.setDefaultTimeout(8000);
  const errors: string[] = [];
  const outside: string[] = [];
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  page.on('pageerror', (error) => errors.push(String(error)));
  const stored = [report, ...history].map((each, index) => ({ id: `report-${index}`, report: each }));
  const setup = {
    report: toReportView({ id: 'report-0', report }, stored),
    comparisons: report.cases.map((_, index) => compareWithBaseline(report, index)),
    theme: JSON.parse(readFileSync(`tools/screenshots/themes/${theme}.json`, 'utf8')) as unknown,
  };
  const html = `<!DOCTYPE html><html lang="en"><head><meta charset="UTF-8"><meta http-equiv="Content-Security-Policy" content="${contentPolicy(origin)}"><meta property="csp-nonce" content="${nonce}"><title>GLM</title></head><body><div id="root"></div>
<script nonce="${nonce}">window.reportSetup = ${JSON.stringify(setup).replaceAll('<', '\\u003c')};</script>
<script nonce="${nonce}" src="/host.js"></script><script nonce="${nonce}" src="/report.js"></script></body></html>`;
  await page.route('**/*', (route) => {
    const url = route.request().url();
    if (url === `${origin}/`) {
      return route.fulfill({ contentType: 'text/html', body: html });
    }
    if (url === `${origin}/host.js` || url === `${origin}/report.js`) {
      return route.fulfill({ contentType: 'text/javascript', body: url.endsWith('host.js') ? scripts.host : scripts.view });
    }
    if (!url.startsWith('data:')) {
      outside.push(url);
    }
    return route.abort();
  });
  await page.goto(`${origin}/`);
  opened.push({ page, errors, outside });
  await page.locator('[data-test=table]').waitFor();
  await page.locator('glm-plot canvas').first().waitFor();
  return page;
}
