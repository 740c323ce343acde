import { describe, expect, it } from 'vitest';
import type { ViewPage } from '../../tools/screenshots/webviewPage.mjs';
import { ask, nextFrames, openChat, useBrowser } from './support/openChat';

useBrowser();

const code = (name: string): string => `\`\`\`python\ndef ${name}(x):\n    """A text over\n    two lines."""\n    return "${name}" if x < 1 else [x]\n\`\`\`\n\n`;
const section = (index: number): string =>
  `## Part ${index}\n\nWords with **bold** and \`code\`, and a [link](https://example.org/${index}).\n\n- tight\n- list\n\n  turned loose\n\n${code(`f${index}`)}| a | b |\n|---|--:|\n| ${index} | 2 |\n| 3 | **4** |\n\n1. one\n2. two\n   \`\`\`js\n   let x = 1; // nested\n   \`\`\`\n\n> quoted\n\n`;
const long = Array.from({ length: 12 }, (_, index) => section(index)).join('');

/** The answer's elements as text, code blocks with their lines. */
function shownAnswer(page: ViewPage): Promise<string> {
  return page.evaluate(() => {
    const read = (node: Node): string => {
      if (node instanceof Text) {
        return node.data;
      }
      if (!(node instanceof Element)) {
        return [...node.childNodes].map(read).join('');
      }
      const inside = node.shadowRoot === null ? node.childNodes : (node.shadowRoot.querySelector('pre')?.childNodes ?? []);
      return `<${node.localName} ${node.className}>${[...inside].map(read).join('')}</${node.localName}>`;
    };
    const answers = document.querySelector('glm-chat')?.shadowRoot?.querySelector('glm-conversation')?.shadowRoot?.querySelectorAll('glm-answer') ?? [];
    const markdown = [...answers].at(-1)?.shadowRoot?.querySelector('glm-markdown')?.shadowRoot;
    return read(markdown?.querySelector('.text') as Node);
  });
}

/** All code is coloured once nothing is left to do in idle time. */
async function untilSettled(page: ViewPage): Promise<string> {
  let before = '';
  await expect
    .poll(async () => {
      const last = before;
      before = await shownAnswer(page);
      return before === last && before.includes('hljs-keyword');
    }, { interval: 300, timeout: 15_000 })
    .toBe(true);
  return before;
}

describe('a streamed answer', () => {
  it('ends as the same text ends that came at once, colours included', async () => {
    const page = await openChat({ scenario: 'empty-demo' });
    await page.evaluate((text) => (window.fakeHost.answer = { text, tokensPerSecond: 600, charactersPerToken: 5 }), long);
    await ask(page, 'Go');
    const streamed = await untilSettled(page);
    const conversation = await page.evaluate(() => window.fakeHost.state.current.conversation);
    const atOnce = await openChat({ scenario: 'empty-demo', change: { conversation } });
    expect(await untilSettled(atOnce)).toBe(streamed);
    expect(streamed.match(/hljs-string/g)?.length).toBeGreaterThan(20);
  });

  it('colours code while it arrives', async () => {
    const page = await openChat({ scenario: 'empty-demo' });
    const text = code('first').repeat(4);
    await page.evaluate((answer) => (window.fakeHost.answer = answer), { text: `${text}\`\`\`python\nimport os\nx = "still open"\n${'#\n'.repeat(2000)}`, tokensPerSecond: 400, holdAtCharacters: text.length + 60 });
    await page.locator('[data-test=composer]').fill('Go');
    await page.keyboard.press('Enter');
    await page.locator('glm-code-block').last().locator('.hljs-string').getByText('"still open"').waitFor();
    await page.locator('[data-test=stop]').waitFor();
    await page.keyboard.press('Escape');
  });

  it('keeps the selection in text that is finished, and the place of a reader who scrolled up', async () => {
    const page = await openChat({ scenario: 'empty-demo' });
    await page.evaluate((text) => (window.fakeHost.answer = { text, tokensPerSecond: 300, charactersPerToken: 5 }), long);
    await page.locator('[data-test=composer]').fill('Go');
    await page.keyboard.press('Enter');
    const heading = page.locator('glm-markdown h2', { hasText: 'Part 1' }).first();
    await page.locator('glm-markdown h2', { hasText: 'Part 2' }).waitFor({ state: 'attached' });
    await heading.scrollIntoViewIfNeeded();
    await page.locator('glm-conversation .scroller').hover();
    await page.mouse.wheel(0, -40);
    await page.locator('[data-test=jump]').waitFor();
    await heading.selectText();
    const topPx = (await heading.boundingBox())?.y ?? 0;
    await page.locator('glm-markdown h2', { hasText: 'Part 9' }).waitFor({ state: 'attached' });
    await nextFrames(page);
    expect(Math.abs(((await heading.boundingBox())?.y ?? 0) - topPx)).toBeLessThan(3);
    const selected = await heading.evaluate((element) => {
      const selection = (element.getRootNode() as ShadowRoot & { getSelection?: () => Selection }).getSelection?.() ?? getSelection();
      return String(selection);
    });
    expect(selected).toContain('Part 1');
    await page.keyboard.press('Escape');
  });

  it('finds text of groups that are out of sight', async () => {
    const page = await openChat({ scenario: 'empty-demo', change: { conversation: { id: 'long', title: '', turns: [{ id: 'a', role: 'assistant', text: long }], updatedAtMs: 0 } } });
    await page.locator('[data-test=jump]').waitFor({ state: 'detached' });
    const found = await page.evaluate(() => (window as unknown as { find(text: string): boolean }).find('Part 3') && String(getSelection()));
    expect(found).toBe('Part 3');
  });
});
