import { describe, expect, it } from 'vitest';
import type { ViewPage } from '../../tools/screenshots/webviewPage.mjs';
import { openChat, useBrowser } from './support/openChat';
import { scenarios, type ScenarioName } from './support/scenarios';

useBrowser();

const operable = ['button', 'textbox', 'combobox', 'checkbox', 'link', 'menuitem', 'progressbar', 'meter', 'listbox'];

/** Roles of operable elements that a screen reader could not name. */
async function namelessElements(page: ViewPage): Promise<readonly string[]> {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send('Accessibility.getFullAXTree');
  const shown = nodes.filter((node) => !node.ignored && operable.includes(String(node.role?.value)));
  expect(shown.length).toBeGreaterThan(5);
  return shown.filter((node) => String(node.name?.value ?? '').trim() === '').map((node) => String(node.role?.value));
}

/** Elements that stick out of the view to the right and cannot be scrolled to. */
function wideElements(page: ViewPage): Promise<readonly string[]> {
  return page.evaluate(() => {
    const found: string[] = [];
    const visit = (root: Document | ShadowRoot): void => {
      for (const element of root.querySelectorAll('*')) {
        if (element.shadowRoot) {
          visit(element.shadowRoot);
        }
        const mayScroll = element.closest('pre, .block') !== null;
        if (element.getBoundingClientRect().right > innerWidth + 1 && element.getBoundingClientRect().width > 0 && !mayScroll) {
          found.push(`${element.tagName}.${element.className}`);
        }
      }
    };
    visit(document);
    return found;
  });
}

describe('each state', () => {
  // useBrowser adds to each test: no policy violation, no console error, no request beyond the page.
  it.each(Object.keys(scenarios) as ScenarioName[])('"%s" fits 300 px, names everything that can be operated and keeps to the content policy, in every panel', async (scenario) => {
    const page = await openChat({ scenario, width: 300 });
    for (const device of await page.locator('[data-test=device]').all()) {
      await device.click();
    }
    for (const panel of ['conversation', 'history', 'settings']) {
      if (panel !== 'conversation') {
        await page.locator(`[data-test=${panel}-button]`).click();
        await page.locator('glm-panel').waitFor();
      }
      expect(await wideElements(page), panel).toEqual([]);
      expect(await namelessElements(page), panel).toEqual([]);
      if (panel !== 'conversation') {
        await page.locator('[data-test=back]').click();
        await page.locator('glm-panel').waitFor({ state: 'detached' });
      }
    }
    await page.locator('[data-test=model-button]').click();
    await page.locator('[data-test=model-menu]').waitFor();
    expect(await wideElements(page), 'menu').toEqual([]);
  });
});
