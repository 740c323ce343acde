import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults, RunOptions } from 'axe-core';
import { describe, expect, it } from 'vitest';
import { themeNames, type ViewOptions, type ViewPage } from '../../tools/screenshots/webviewPage.mjs';
import { openChat, useBrowser } from './support/openChat';
import { scenarios, type ScenarioName } from './support/scenarios';

useBrowser();

const axeScript = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const inColours: RunOptions = { runOnly: { type: 'rule', values: ['color-contrast', 'link-in-text-block'] } };

interface State {
  readonly name: string;
  readonly options: ViewOptions;
  readonly steps?: (page: ViewPage) => Promise<void>;
}

const states: readonly State[] = [
  ...(Object.keys(scenarios) as ScenarioName[]).map((scenario) => ({ name: scenario, options: { scenario } })),
  { name: 'connecting', options: { scenario: 'chat', isDoorClosed: true } },
  { name: 'history panel', options: { scenario: 'history', savedState: { panel: 'history' } } },
  { name: 'settings panel', options: { scenario: 'chat', savedState: { panel: 'settings' } } },
  { name: 'open device', options: { scenario: 'chat', savedState: { openDevices: ['cuda:0'] } } },
  { name: 'open thoughts', options: { scenario: 'thinking' }, steps: async (page) => page.locator('[data-test=thinking]').last().click() },
  { name: 'model menu', options: { scenario: 'empty-demo' }, steps: async (page) => page.locator('[data-test=model-button]').click() },
  { name: 'question being edited', options: { scenario: 'chat' }, steps: async (page) => page.locator('[data-test=edit]').click() },
];

/** What axe finds in a page, as `rule: element`. */
async function problemsOf(page: ViewPage, options: RunOptions): Promise<readonly string[]> {
  // Not a script element: the page's content policy would refuse it.
  await page.evaluate(axeScript);
  return page.evaluate(async (runOptions) => {
    const { axe } = window as unknown as { axe: { run(context: Document, options: RunOptions): Promise<AxeResults> } };
    const { violations } = await axe.run(document, { ...runOptions, resultTypes: ['violations'] });
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.flat().join(' ')} (${[...node.any, ...node.all].map((check) => check.message).join('; ')})`));
  }, options);
}

describe('axe finds nothing', () => {
  it.each(states)('in $name', async ({ options, steps }) => {
    for (const theme of themeNames) {
      const page = await openChat({ ...options, theme, width: 300, height: 760 });
      await steps?.(page);
      expect(await problemsOf(page, theme === 'dark' ? {} : inColours), theme).toEqual([]);
    }
  });
});
