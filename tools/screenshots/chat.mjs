// Pictures of the chat view in prepared states, themes and widths, for looking at: node tools/screenshots/chat.mjs FOLDER [scenario …]
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { buildScripts, launchBrowser, openView, themeNames } from './webviewPage.mjs';

const [folder, ...wanted] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write('usage: node tools/screenshots/chat.mjs FOLDER [scenario …]\n');
  process.exit(2);
}
mkdirSync(resolve(folder), { recursive: true });

const scrollConversation = (page, topPx) => page.evaluate((top) => document.querySelector('glm-chat').shadowRoot.querySelector('glm-conversation').shadowRoot.querySelector('.scroller').scrollTo(0, top), topPx);

/** Steps after the view is up. */
const shots = {
  empty: {},
  'empty-demo': {},
  loading: {},
  failed: {},
  lost: {},
  chat: {},
  'chat-top': { scenario: 'chat', steps: (page) => scrollConversation(page, 0), after: 400 },
  error: {},
  alignment: {},
  prefill: {},
  thinking: {},
  attachments: {},
  lostDevice: {},
  unknownReadings: {},
  base: {},
  history: { savedState: { panel: 'history' } },
  settings: { scenario: 'chat', savedState: { panel: 'settings' } },
  devices: { scenario: 'chat', savedState: { openDevices: ['cuda:0'] } },
  menu: { scenario: 'empty-demo', steps: (page) => page.locator('[data-test=model-button]').click() },
  connecting: { scenario: 'chat', isDoorClosed: true },
  'not-responding': {},
  wide: { steps: (page) => scrollConversation(page, 0), after: 400 },
  'wide-code': { scenario: 'wide', steps: (page) => scrollConversation(page, 1100), after: 400 },
  scripts: { steps: (page) => scrollConversation(page, 0), after: 400 },
  'eight-devices': {},
  'thinking-open': { scenario: 'thinking', steps: async (page) => { for (const fold of await page.locator('[data-test=thinking]').all()) await fold.click(); } },
  'code-focus': { scenario: 'chat', steps: (page) => page.locator('glm-code-block button').first().focus() },
  refused: { scenario: 'chat', steps: async (page) => { await page.evaluate(() => window.fakeHost.failures.set('attachment-add', { code: 'attachment-too-large', name: 'GlmError', message: 'Pasted text holds 5 MiB; a file may hold 256 KiB, since all of it is read before the first word of the answer. Attach a selection of it instead.', fields: {}, next: [] })); await page.locator('[data-test=attach]').click(); } },
  hostile: {},
  streaming: {
    scenario: 'chat',
    steps: async (page) => {
      await page.evaluate(() => {
        window.fakeHost.answer = { text: window.fakeHost.state.current.conversation.turns[1].text.repeat(3), tokensPerSecond: 148 };
      });
      await page.locator('[data-test=composer]').fill('Show me again, please');
      await page.keyboard.press('Enter');
    },
    after: 2600,
  },
};

const scripts = await buildScripts();
const browser = await launchBrowser();
try {
  for (const [name, shot] of Object.entries(shots).filter(([key]) => wanted.length === 0 || wanted.includes(key))) {
    const themes = wanted.length > 0 ? themeNames : ['dark', ...(['chat', 'alignment', 'settings', 'streaming'].includes(name) ? themeNames.slice(1) : [])];
    for (const theme of themes) {
      for (const width of [300, 800]) {
        const page = await openView(browser, scripts, { scenario: shot.scenario ?? name, theme, width, height: 760, savedState: shot.savedState, isDoorClosed: shot.isDoorClosed });
        await page.waitForTimeout(350);
        await shot.steps?.(page);
        await page.waitForTimeout(shot.after ?? 250);
        await page.screenshot({ path: join(folder, `${name}-${theme}-${width}.png`) });
        const violations = await page.evaluate(() => window.violations);
        if (violations.length + page.errors.length + page.outside.length > 0) {
          process.stdout.write(`${name} ${theme} ${width}: ${JSON.stringify({ violations, errors: page.errors, outside: page.outside })}\n`);
        }
        await page.context().close();
      }
    }
  }
} finally {
  await browser.close();
}
