/** `npm start` without a desktop editor: the address it prints shows the chat with the embedded model, and Ctrl+C ends everything. */

import { spawn } from 'node:child_process';
import { chromium } from 'playwright-core';
import { expect, it } from 'vitest';
import { textsIn } from './support/session';

it('serves a VS Code whose printed address shows the chat, ready to answer', async () => {
  const work = process.env.GLM_E2E_WORK ?? '';
  const child = spawn(process.execPath, ['tools/start.mjs'], { env: { ...process.env, GLM_CODE: '', GLM_START_FOLDER: `${work}/start` }, detached: true });
  let output = '';
  child.stdout.on('data', (data) => (output += data));
  child.stderr.on('data', (data) => (output += data));
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const browser = await chromium.launch({ executablePath: process.env.GLM_E2E_BROWSER, args: ['--headless', '--no-sandbox', '--disable-gpu'] });
  try {
    await expect.poll(() => output, { timeout: 90_000 }).toMatch(/http:\/\/127\.0\.0\.1:\d+\/\S+/);
    const address = /http:\/\/127\.0\.0\.1:\d+\/\S+/.exec(output)?.[0] ?? '';
    const page = await browser.newPage();
    await page.goto(address);
    await expect
      .poll(
        async () => {
          for (const frame of page.frames()) {
            const facts = await textsIn(frame.locator('[data-test="model-facts"]')).catch(() => []);
            if (facts.length > 0) {
              return facts.join('');
            }
          }
          return '';
        },
        { timeout: 60_000 },
      )
      .toMatch(/CPU|cuda|webgpu/i);
    process.kill(child.pid ?? 0, 'SIGINT');
    await ended;
    await expect(fetch(new URL('/healthz', address))).rejects.toThrow();
  } catch (error) {
    throw new Error(`${String(error)}\nnpm start printed:\n${output}`, { cause: error });
  } finally {
    await browser.close();
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL');
    } catch {
      // It has ended, as it should.
    }
  }
});
