/** Opens the built chat view in a browser, one browser and one build per test file; every page is closed and checked after its test. */

import type { Browser, Locator } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { buildScripts, launchBrowser, openView, type ViewOptions, type ViewPage, type ViewScripts } from '../../../tools/screenshots/webviewPage.mjs';
import type { HostRequest } from './fakeHost';

let browser: Browser;
let scripts: ViewScripts;
const pages: ViewPage[] = [];

/** Call once at the top of a test file. */
export function useBrowser(): void {
  beforeAll(async () => {
    [browser, scripts] = await Promise.all([launchBrowser(), buildScripts()]);
  });
  afterEach(async () => {
    for (const page of pages.splice(0)) {
      const violations = await page.evaluate(() => window.violations);
      await page.context().close();
      expect({ violations, errors: page.errors, outside: page.outside }).toEqual({ violations: [], errors: [], outside: [] });
    }
  });
  afterAll(async () => {
    await browser?.close();
  });
}

export async function openChat(options: ViewOptions): Promise<ViewPage> {
  const page = await openView(browser, scripts, options);
  page.setDefaultTimeout(15_000);
  pages.push(page);
  if (options.isDoorClosed !== true) {
    // Asking is not enough: the host's answer comes by messages and is drawn with the next frame, both later on a busy machine.
    await page.waitForFunction(() => (document.querySelector('glm-chat') as (Element & { store?: { state: { connection: string } } }) | null)?.store?.state.connection === 'ready');
    await nextFrames(page);
  }
  return page;
}

/** Two frames: what was known before the first is drawn after the second. */
export async function nextFrames(page: ViewPage): Promise<void> {
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
}

/** What the view asked for, `view-ready` left out. */
export async function requestsOf(page: ViewPage): Promise<readonly HostRequest[]> {
  return (await page.evaluate(() => window.fakeHost.requests)).filter((request) => request.method !== 'view-ready');
}

/** Waits until the view has asked for `method` and returns the parameters of the latest such request. */
export async function waitForRequest(page: ViewPage, method: string): Promise<unknown> {
  await page.waitForFunction((name) => window.fakeHost.requests.some((request) => request.method === name), method);
  return page.evaluate((name) => window.fakeHost.requests.filter((request) => request.method === name).at(-1)?.params, method);
}

/** What is to be read in an element, its shadow trees and slots included. */
export function shownText(locator: Locator): Promise<string> {
  return locator.evaluate((element) => {
    const read = (node: Node): string => {
      if (node instanceof HTMLSlotElement && node.assignedNodes().length > 0) {
        return node.assignedNodes().map(read).join(' ');
      }
      if (node instanceof Element) {
        return node instanceof HTMLStyleElement || !node.checkVisibility() ? '' : [...(node.shadowRoot ?? node).childNodes].map(read).join(' ');
      }
      return node.nodeType === Node.TEXT_NODE ? (node.textContent ?? '') : '';
    };
    return read(element).replace(/\s+/g, ' ').trim();
  });
}

/** Sends a question and waits for the answer's end. */
export async function ask(page: ViewPage, text: string): Promise<void> {
  await page.locator('[data-test=composer]').fill(text);
  await page.keyboard.press('Enter');
  await page.locator('[data-test=figures]').last().waitFor();
  await page.locator('[data-test=send]').waitFor();
}
