import { describe, expect, it } from 'vitest';
import { themeNames } from '../../tools/screenshots/webviewPage.mjs';
import { openChat, useBrowser } from './support/openChat';
import type { ScenarioName } from './support/scenarios';

useBrowser();

describe('for people who use a keyboard or a screen reader', () => {
  it('Tab reaches model, header buttons, devices, answer tools, composer, its settings and Send, in that order', async () => {
    const page = await openChat({ scenario: 'chat' });
    const names: string[] = [];
    for (let index = 0; index < 24; index += 1) {
      await page.keyboard.press('Tab');
      const name = await page.evaluate(() => {
        let name = '';
        for (let element = document.activeElement; element !== null && element !== undefined; element = element.shadowRoot?.activeElement ?? null) {
          name = element.getAttribute('data-test') ?? element.getAttribute('aria-label') ?? name;
        }
        return name;
      });
      names.push(name);
    }
    const order = ['model-button', 'New chat', 'Chat history', 'device', 'Edit question', 'Copy code', 'Copy answer', 'Regenerate', 'composer', 'Chat settings', 'Attach a file', 'send'];
    const places = order.map((name) => names.indexOf(name));
    expect(places, names.join(', ')).toEqual([...places].sort((a, b) => a - b));
    expect(places).not.toContain(-1);
  });

  it('focus goes into a panel and comes back to the composer', async () => {
    const page = await openChat({ scenario: 'chat' });
    await page.locator('[data-test=settings-button]').focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Chat settings' }).waitFor();
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => document.querySelector('glm-chat')?.shadowRoot?.querySelector('glm-composer')?.shadowRoot?.activeElement?.getAttribute('data-test') === 'composer');
  });

  it('nothing moves when motion is reduced', async () => {
    const page = await openChat({ scenario: 'thinking', reducedMotion: 'reduce' });
    const seconds = await page.locator('glm-thinking .label').last().evaluate((element) => Number.parseFloat(getComputedStyle(element).animationDuration));
    expect(seconds).toBeLessThan(0.01);
  });
});

describe('in every theme', () => {
  it.each(themeNames)('text stands out from its background in %s', async (theme) => {
    const wanted = theme.startsWith('high-contrast') ? 7 : 4.5;
    for (const scenario of ['chat', 'failed', 'alignment'] satisfies ScenarioName[]) {
      const page = await openChat({ scenario, theme, savedState: { openDevices: ['cuda:0'] } });
      await page.waitForTimeout(100);
      const poor = await page.evaluate((minimum) => {
        type Colour = readonly [number, number, number, number];
        const parse = (text: string): Colour => {
          const numbers = text.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0, 0];
          const scale = text.startsWith('color(') ? 255 : 1;
          const [r = 0, g = 0, b = 0, a = 1] = numbers;
          return [r * scale, g * scale, b * scale, a];
        };
        const over = (top: Colour, below: Colour): Colour => [0, 1, 2].map((index) => (top[index] ?? 0) * top[3] + (below[index] ?? 0) * (1 - top[3])).concat(1) as unknown as Colour;
        const light = ([r, g, b]: Colour): number => {
          const [x, y, z] = [r, g, b].map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
          return 0.2126 * (x ?? 0) + 0.7152 * (y ?? 0) + 0.0722 * (z ?? 0);
        };
        const parentOf = (element: Element): Element | null => element.assignedSlot ?? element.parentElement ?? ((element.getRootNode() as ShadowRoot).host as Element | undefined) ?? null;
        const backgroundOf = (element: Element | null): Colour => {
          const own = element === null ? ([255, 255, 255, 1] as const) : parse(getComputedStyle(element).backgroundColor);
          return own[3] === 1 || element === null ? own : over(own, backgroundOf(parentOf(element)));
        };
        const isExempt = (element: Element | null): boolean =>
          element !== null && (element.matches(':disabled, [disabled], [aria-disabled=true], .blocked') || Number(getComputedStyle(element).opacity) < 1 || isExempt(parentOf(element)));
        const found: string[] = [];
        const visit = (root: Document | ShadowRoot): void => {
          for (const element of root.querySelectorAll('*')) {
            if (element.shadowRoot) {
              visit(element.shadowRoot);
            }
            const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.textContent?.trim()).join('');
            if (text === '' || ['STYLE', 'SCRIPT'].includes(element.tagName) || !(element as HTMLElement).checkVisibility?.({ visibilityProperty: true }) || isExempt(element)) {
              continue;
            }
            const background = backgroundOf(element);
            const colour = over(parse(getComputedStyle(element).color), background);
            const [high, low] = [light(colour), light(background)].sort((a, b) => b - a);
            const ratio = ((high ?? 0) + 0.05) / ((low ?? 0) + 0.05);
            // Signs need less than words; colours of code are the theme's own.
            const needed = element.matches('.icon') ? 3 : element.matches('[class^=hljs-]') ? 4.5 : minimum;
            if (ratio < needed) {
              found.push(`${ratio.toFixed(1)} ${element.tagName}.${element.className} "${text.slice(0, 30)}"`);
            }
          }
        };
        visit(document);
        return found;
      }, wanted);
      expect(poor, `${scenario} in ${theme}`).toEqual([]);
    }
  });

  it('takes a new theme while it is open', async () => {
    const page = await openChat({ scenario: 'chat' });
    const button = page.locator('[data-test=send]');
    const before = await button.evaluate((element) => getComputedStyle(element).backgroundColor);
    await page.evaluate(() => {
      document.documentElement.style.setProperty('--vscode-button-background', 'rgb(1, 2, 3)');
      document.body.className = 'vscode-light';
    });
    await page.waitForFunction(() => getComputedStyle(document.querySelector('glm-chat')?.shadowRoot?.querySelector('glm-composer')?.shadowRoot?.querySelector('[data-test=send]') as Element).backgroundColor === 'rgb(1, 2, 3)');
    expect(before).not.toBe('rgb(1, 2, 3)');
  });
});
