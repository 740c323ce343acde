/** `npm run screenshot`: the picture of the README, taken from the real product; and, with GLM_LOOKS set, one for each theme and width to look at. */

import { mkdirSync, statSync } from 'node:fs';
import { expect, it } from 'vitest';
import { Session, textsIn } from './support/session';

const poll = { timeout: 90_000, interval: 200 };

it('photographs the chat beside a Python file', async () => {
  const session = await Session.start('screenshot', {
    viewport: { width: 1180, height: 740 },
    settings: { 'workbench.colorTheme': 'Default Dark Modern', 'glm.sampling.doSample': false, 'editor.minimap.enabled': false, 'workbench.activityBar.location': 'default', 'editor.wordWrap': 'on' },
  });
  try {
    await session.openChat();
    await expect.poll(async () => (await session.inChat('model-facts')).count(), poll).toBe(1);
    await session.openFile('ask_glm4.py');
    await session.dragSideBarTo(430);
    await session.ask('What does device_map="auto" do?');
    await (await session.inChat('figures')).first().waitFor({ timeout: 90_000 });
    await session.page.locator('.squiggly-warning').first().waitFor({ timeout: 15_000 }).catch(() => undefined);
    await session.page.mouse.move(700, 700);
    await session.page.waitForTimeout(2500);
    await session.page.screenshot({ path: 'media/screenshot.png' });
    expect(statSync('media/screenshot.png').size).toBeLessThan(250 * 1024);
  } finally {
    await session.close();
  }
});

it.skipIf(process.env.GLM_LOOKS === undefined)('photographs themes and widths', async () => {
  mkdirSync('test/e2e/out', { recursive: true });
  const session = await Session.start('looks', { viewport: { width: 1180, height: 800 }, settings: { 'glm.sampling.doSample': false } });
  try {
    await session.openChat();
    await expect.poll(async () => (await session.inChat('model-facts')).count(), poll).toBe(1);
    await session.ask('How do I load a bigger GLM-4 model?');
    await (await session.inChat('figures')).first().waitFor({ timeout: 90_000 });
    for (const [name, theme] of [
      ['dark', 'Default Dark Modern'],
      ['light', 'Default Light Modern'],
      ['contrast', 'Default High Contrast'],
    ] as const) {
      await session.chooseTheme(theme);
      for (const width of [300, 800]) {
        await session.dragSideBarTo(48 + width);
        await session.page.waitForTimeout(700);
        await session.page.screenshot({ path: `test/e2e/out/look-${name}-${width}.png` });
      }
    }
    expect(await textsIn(await session.inChat('figures'))).toHaveLength(1);
  } finally {
    await session.close();
  }
});
