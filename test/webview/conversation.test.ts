import type { Locator } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { ask, openChat, requestsOf, shownText, useBrowser, waitForRequest } from './support/openChat';

useBrowser();

describe('asking', () => {
  it('streams an answer after Enter and shows its figures', async () => {
    const page = await openChat({ scenario: 'empty-demo' });
    await page.evaluate(() => (window.fakeHost.answer = { text: 'Hello **there**, this is a whole answer in one paragraph.', tokensPerSecond: 60, holdAtCharacters: 20 }));
    await page.locator('[data-test=composer]').fill('Hi');
    await page.keyboard.press('Enter');
    await page.locator('[data-test=stop]').waitFor();
    await page.locator('glm-markdown', { hasText: 'Hello' }).waitFor();
    expect(await page.locator('[data-test=stop-reason]').count()).toBe(0);
    await page.evaluate(() => window.fakeHost.goOn());
    await page.locator('[data-test=stop-reason]').waitFor();
    expect(await page.locator('[data-test=figures]').innerText()).toMatch(/prompt 512 \(480 reused\)[\s\S]*tokens[\s\S]*TTFT 38 ms[\s\S]*60 tok\/s[\s\S]*complete/);
    expect(await page.locator('glm-markdown strong').innerText()).toBe('there');
    expect(await page.locator('[data-test=composer]').inputValue()).toBe('');
    expect(await requestsOf(page)).toEqual([{ method: 'prompt-send', params: { text: 'Hi' } }]);
  });

  it('tells before the context cuts an answer, and afterwards, with what to do', async () => {
    const page = await openChat({ scenario: 'chat' });
    const limit = { promptTokens: 3900, contextTokens: 4096, roomTokens: 196, maxNewTokens: 2048 };
    await page.evaluate((contextLimit) => window.fakeHost.emit('generation-state', { turnId: 'cut', contextLimit }), limit);
    await page.getByText('The context is nearly full: 3,900 of 4,096 tokens are in use. The answer ends after 196 more at the latest.').waitFor();
    await page.evaluate(() => {
      window.fakeHost.emit('turn-finished', { id: 'cut', role: 'assistant', text: 'As far as', figures: { promptTokens: 3900, reusedTokens: 0, generatedTokens: 196, stopReason: 'context' } });
      window.fakeHost.emit('generation-state', undefined);
    });
    const notice = page.locator('[data-test=context-notice]');
    await notice.getByText('The answer was cut: its 196 tokens and the 3,900 before them fill the context.').waitFor();
    await notice.getByText('Longer context …').click();
    expect(await waitForRequest(page, 'next-step-run')).toEqual({ command: 'glm.openSettings', args: ['glm.contextLength'] });
  });

  it('says nothing but the room left while there is plenty of it, and tells when it has become scarce', async () => {
    const page = await openChat({ scenario: 'chat' });
    await page.evaluate(() => {
      window.fakeHost.emit('generation-state', { turnId: 'long', contextLimit: { promptTokens: 100, contextTokens: 4096, roomTokens: 3996, maxNewTokens: 8000 } });
      window.fakeHost.emit('answer-delta', { turnId: 'long', text: 'Well', generatedTokens: 1 });
    });
    await page.getByText('context ends after 3,996').waitFor();
    expect(await page.locator('[data-test=context-notice]').count()).toBe(0);
    await page.evaluate(() => window.fakeHost.emit('answer-delta', { turnId: 'long', text: ' on', generatedTokens: 3500 }));
    await page.getByText('The context of 4,096 tokens is nearly full: this answer ends after 3,996 tokens at the latest.').waitFor();
  });

  it('leads from an empty view to a first answer with one click', async () => {
    const page = await openChat({ scenario: 'empty' });
    await page.locator('[data-test=suggestion]').first().click();
    await page.locator('[data-test=figures]').waitFor();
    expect(await page.locator('[data-test=suggestion]').count()).toBe(0);
  });

  it('offers questions in English and Chinese', async () => {
    const page = await openChat({ scenario: 'empty' });
    const languages = await page.locator('[data-test=suggestion]').evaluateAll((buttons) => buttons.map((button) => button.getAttribute('lang')));
    expect(new Set(languages)).toEqual(new Set(['en', 'zh']));
  });

  it('writes a new line with Shift+Enter and sends nothing that is empty', async () => {
    const page = await openChat({ scenario: 'chat' });
    await page.locator('[data-test=composer]').focus();
    await page.keyboard.press('Enter');
    await page.keyboard.type('a');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('b');
    expect(await page.locator('[data-test=composer]').inputValue()).toBe('a\nb');
    expect(await requestsOf(page)).toEqual([]);
  });

  it('does not send the Enter that chooses a candidate of an input method', async () => {
    const page = await openChat({ scenario: 'chat' });
    await page.locator('[data-test=composer]').fill('你好');
    await page.locator('[data-test=composer]').dispatchEvent('keydown', { key: 'Enter', isComposing: true });
    expect(await requestsOf(page)).toEqual([]);
  });

  it('stops with Escape and keeps the partial text', async () => {
    const page = await openChat({ scenario: 'chat' });
    await page.evaluate(() => (window.fakeHost.answer = { text: 'word '.repeat(2000), tokensPerSecond: 100 }));
    await page.locator('[data-test=composer]').fill('Go');
    await page.keyboard.press('Enter');
    await page.getByText('word word').waitFor();
    await page.keyboard.press('Escape');
    await waitForRequest(page, 'generation-stop');
    await page.locator('[data-test=send]').waitFor();
    expect(await page.locator('[data-test=stop-reason]').last().innerText()).toBe('stopped');
    expect(await shownText(page.locator('[data-test=answer-text]').last())).toContain('word');
  });

  it('brings the text back and says why when the host refuses it', async () => {
    const page = await openChat({ scenario: 'chat' });
    await page.locator('[data-test=composer]').fill('fail');
    await page.keyboard.press('Enter');
    await page.locator('[data-test=request-problem]').waitFor();
    expect(await shownText(page.locator('[data-test=request-problem]'))).toContain('40,000 tokens');
    expect(await page.locator('[data-test=composer]').inputValue()).toBe('fail');
  });

  it('explains why it cannot send, and sends nothing then', async () => {
    const page = await openChat({ scenario: 'loading' });
    await page.locator('[data-test=composer]').fill('Too early');
    await page.keyboard.press('Enter');
    await page.locator('[data-test=send]').click();
    expect(await page.locator('[data-test=hint]').innerText()).toContain('still loading');
    expect(await page.locator('[data-test=send]').getAttribute('aria-disabled')).toBe('true');
    expect(await page.locator('[data-test=composer]').inputValue()).toBe('Too early');
    expect(await requestsOf(page)).toEqual([]);
  });

  it('turns a long paste into an attachment within a second, even 5 MB', async () => {
    const page = await openChat({ scenario: 'chat' });
    const elapsedMs = await page.locator('[data-test=composer]').evaluate((area) => {
      const data = new DataTransfer();
      data.setData('text/plain', 'x'.repeat(5_000_000));
      const startMs = performance.now();
      area.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true, composed: true }));
      return performance.now() - startMs;
    });
    await page.locator('[data-test=attachment]').waitFor();
    expect(elapsedMs).toBeLessThan(1000);
    expect(await page.locator('[data-test=attachment]').innerText()).toContain('Pasted text');
    expect(await page.locator('[data-test=composer]').inputValue()).toBe('');
    await page.getByRole('button', { name: 'Remove Pasted text' }).click();
    expect(await waitForRequest(page, 'attachment-remove')).toEqual({ name: 'Pasted text' });
    await page.locator('[data-test=attachment]').waitFor({ state: 'detached' });
  });
});

describe('an attachment that the host refuses', () => {
  it('is named with its size and the limit, aloud, and leaves the view as it was', async () => {
    const page = await openChat({ scenario: 'chat' });
    const message = 'Pasted text holds 4.8 MiB; a file may hold 256 KiB.';
    await page.evaluate((text) => window.fakeHost.failures.set('attachment-add', { code: 'attachment-too-large', name: 'GlmError', message: text, fields: {}, next: [] }), message);
    await page.locator('[data-test=composer]').fill('About this:');
    await page.locator('[data-test=composer]').evaluate((area) => {
      const data = new DataTransfer();
      data.setData('text/plain', 'x'.repeat(5_000_000));
      area.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true, composed: true }));
    });
    await page.getByRole('alert').getByText(message, { exact: true }).waitFor();
    expect(await page.locator('[data-test=composer]').inputValue()).toBe('About this:');
    expect(await page.locator('[data-test=attachment]').count()).toBe(0);
    await page.locator('[data-test=request-problem]').getByRole('button', { name: 'Dismiss' }).click();
    await page.locator('[data-test=request-problem]').waitFor({ state: 'detached' });
  });
});

describe('right-to-left text', () => {
  it('runs in its own direction, and code does not', async () => {
    const page = await openChat({ scenario: 'scripts' });
    const directions = await page.locator('glm-markdown .block').evaluateAll((blocks) => blocks.map((block) => `${block.textContent?.trim().slice(0, 6)}: ${getComputedStyle(block).direction}`));
    expect(directions).toContain('العربي: rtl');
    expect(directions).toContain('שלום, : rtl');
    expect(directions).toContain('中文与日本語: ltr');
    expect(await page.locator('[data-test=question]').first().evaluate((bubble) => getComputedStyle(bubble).direction)).toBe('rtl');
    expect(await page.locator('glm-markdown code').first().evaluate((code) => getComputedStyle(code).direction)).toBe('ltr');
    await page.locator('[data-test=composer]').fill('مرحبا');
    expect(await page.locator('[data-test=composer]').evaluate((area) => getComputedStyle(area).direction)).toBe('rtl');
  });
});

describe('changing a conversation', () => {
  it('edits a question', async () => {
    const page = await openChat({ scenario: 'chat' });
    await page.locator('[data-test=question]').hover();
    await page.locator('[data-test=edit]').click();
    await page.locator('[data-test=edit-text]').fill('Another question');
    await page.keyboard.press('Enter');
    expect(await waitForRequest(page, 'question-edit')).toEqual({ turnId: 'q1', text: 'Another question' });
    // The figures of the old answer are there at first, and so is the old question.
    await expect.poll(() => page.locator('[data-test=question]').allInnerTexts()).toEqual(['Another question']);
    await page.locator('glm-markdown', { hasText: 'Hello.' }).waitFor();
    await page.locator('[data-test=figures]').waitFor();
  });

  it('leaves the question as it was on Escape', async () => {
    const page = await openChat({ scenario: 'chat' });
    await page.locator('[data-test=question]').hover();
    await page.locator('[data-test=edit]').click();
    await page.locator('[data-test=edit-text]').fill('Never mind');
    await page.keyboard.press('Escape');
    await page.locator('[data-test=edit-text]').waitFor({ state: 'detached' });
    expect(await page.locator('[data-test=question]').innerText()).toContain('over two GPUs');
    expect(await requestsOf(page)).toEqual([]);
  });

  it('regenerates an answer', async () => {
    const page = await openChat({ scenario: 'chat' });
    await page.locator('[data-test=regenerate]').click();
    expect(await waitForRequest(page, 'answer-regenerate')).toEqual({ turnId: 'a1' });
    await page.locator('glm-markdown', { hasText: 'Hello.' }).waitFor();
  });

  it('deletes a turn only after the question whether to', async () => {
    const page = await openChat({ scenario: 'chat' });
    await page.locator('glm-answer [data-test=delete]').click();
    expect(await requestsOf(page)).toEqual([]);
    await page.locator('glm-answer [data-test=confirm]').click();
    expect(await waitForRequest(page, 'turn-delete')).toEqual({ turnId: 'a1' });
    await page.locator('glm-answer').waitFor({ state: 'detached' });
  });

  it('allows no change while an answer is under way', async () => {
    const page = await openChat({ scenario: 'prefill' });
    expect(await page.locator('[data-test=regenerate]').first().getAttribute('disabled')).not.toBeNull();
    expect(await page.locator('[data-test=edit]').first().getAttribute('disabled')).not.toBeNull();
  });

  it('copies, inserts and files code exactly as it is', async () => {
    const page = await openChat({ scenario: 'chat' });
    const block = page.locator('glm-code-block').first();
    const code = await block.evaluate((element) => (element as HTMLElement & { code: string }).code);
    expect(code).toMatch(/^import torch\n[\s\S]*print\(tokenizer\.decode\(output\[0\]\)\)\n$/);
    await block.getByRole('button', { name: 'Copy code' }).click();
    expect(await waitForRequest(page, 'code-copy')).toEqual({ text: code });
    await block.getByRole('button', { name: 'Insert at cursor' }).click();
    expect(await waitForRequest(page, 'code-insert')).toEqual({ text: code });
    await block.getByRole('button', { name: 'new file' }).click();
    expect(await waitForRequest(page, 'code-new-file')).toEqual({ text: code, languageId: 'python' });
  });

  it('copies an answer as the model wrote it', async () => {
    const page = await openChat({ scenario: 'chat' });
    await page.locator('[data-test=copy-answer]').click();
    expect(((await waitForRequest(page, 'code-copy')) as { text: string }).text).toContain('```python\nimport torch');
  });

  it('colours code', async () => {
    const page = await openChat({ scenario: 'chat' });
    await page.locator('glm-code-block .hljs-keyword').first().waitFor();
  });
});

describe('scrolling', () => {
  const long = { text: Array.from({ length: 4000 }, (_, index) => `Line ${index} of the answer.\n\n`).join(''), tokensPerSecond: 400 };
  const distance = (element: Element): number => element.scrollHeight - element.scrollTop - element.clientHeight;

  /** Notes when the view moves up, which nothing but the user's wheel does while an answer grows. */
  const noteMovesUp = (element: HTMLElement | SVGElement): void => {
    let lastTopPx = element.scrollTop;
    element.addEventListener('scroll', () => {
      if (element.scrollTop < lastTopPx) {
        element.dataset['movedUp'] = 'yes';
      }
      lastTopPx = element.scrollTop;
    });
  };

  /** Where the view stands once it has moved up and come to rest. */
  async function restingTop(scroller: Locator): Promise<number> {
    await expect.poll(() => scroller.getAttribute('data-moved-up')).toBe('yes');
    let topPx = Number.NaN;
    await expect
      .poll(async () => {
        const before = topPx;
        topPx = await scroller.evaluate((element) => element.scrollTop);
        return topPx === before;
      })
      .toBe(true);
    return topPx;
  }

  it('follows the answer, yields when the user scrolls up, and returns by the button', async () => {
    const page = await openChat({ scenario: 'empty-demo' });
    await page.evaluate((answer) => (window.fakeHost.answer = answer), long);
    await page.locator('[data-test=composer]').fill('Go');
    await page.keyboard.press('Enter');
    await page.getByText('Line 60 of').waitFor({ state: 'attached' });
    const scroller = page.locator('glm-conversation .scroller');
    await expect.poll(() => scroller.evaluate(distance)).toBeLessThan(40);
    await scroller.hover();
    await scroller.evaluate(noteMovesUp);
    await page.mouse.wheel(0, -400);
    // The view yields with the wheel's event; the browser moves it some frames later.
    await page.locator('[data-test=jump]').waitFor();
    const topPx = await restingTop(scroller);
    const length = (): Promise<number> => scroller.evaluate((element) => element.scrollHeight);
    const before = await length();
    await expect.poll(length).toBeGreaterThan(before + 400);
    expect(Math.abs((await scroller.evaluate((element) => element.scrollTop)) - topPx)).toBeLessThan(5);
    await page.locator('[data-test=jump]').click();
    await page.locator('[data-test=jump]').waitFor({ state: 'detached' });
    const atJump = await length();
    await expect.poll(length).toBeGreaterThan(atJump + 400);
    await expect.poll(() => scroller.evaluate(distance)).toBeLessThan(40);
    await page.keyboard.press('Escape');
  });

  it('says a finished answer once, not its tokens', async () => {
    const page = await openChat({ scenario: 'empty-demo' });
    await page.evaluate(() => {
      const log = document.querySelector('glm-chat')?.shadowRoot?.querySelector('glm-conversation')?.shadowRoot?.querySelector('[role=log]') as HTMLElement;
      const said: string[] = [];
      Object.assign(window, { said });
      new MutationObserver(() => said.push(log.textContent ?? '')).observe(log, { childList: true, characterData: true, subtree: true });
      window.fakeHost.answer = { text: 'The **answer** is 42, and it takes a while to say it.', tokensPerSecond: 30 };
    });
    await ask(page, 'What is the answer?');
    await page.waitForFunction(() => (window as Window & { said?: string[] }).said?.length === 1);
    expect(await page.evaluate(() => (window as Window & { said?: string[] }).said)).toEqual(['GLM: The answer is 42, and it takes a while to say it.']);
    expect(await page.locator('[role=log]').getAttribute('aria-live')).toBe('polite');
  });

  it('shows the newest part of a long conversation and the rest on demand', async () => {
    const turns = Array.from({ length: 150 }, (_, index) => ({ id: `t${index}`, role: index % 2 === 0 ? ('user' as const) : ('assistant' as const), text: `Message ${index}` }));
    const page = await openChat({ scenario: 'chat', change: { conversation: { id: 'long', title: '', turns, updatedAtMs: 0 } } });
    await page.getByText('Message 149').waitFor();
    expect(await page.getByText('Message 10', { exact: true }).count()).toBe(0);
    await page.getByText('Show 90 earlier messages').click();
    await page.getByText('Message 10', { exact: true }).waitFor({ state: 'attached' });
  });
});

describe('thinking', () => {
  it('is folded away and rendered when opened', async () => {
    const page = await openChat({ scenario: 'thinking' });
    expect(await page.getByText('Check small divisors').count()).toBe(0);
    await page.locator('[data-test=thinking]').first().click();
    await page.getByText('Check small divisors').waitFor();
    expect(await page.locator('[data-test=thinking]').last().innerText()).toContain('Thinking');
  });

  it('goes over into the answer while streaming', async () => {
    const page = await openChat({ scenario: 'empty-demo' });
    await page.evaluate(() => (window.fakeHost.answer = { thinking: 'Let me see whether that is so. '.repeat(5), text: 'It is so.', tokensPerSecond: 80, holdAtCharacters: 60 }));
    await page.locator('[data-test=composer]').fill('Is it?');
    await page.keyboard.press('Enter');
    await page.getByText('Thinking …').waitFor();
    await page.evaluate(() => window.fakeHost.goOn());
    await page.locator('[data-test=answer-text]').waitFor();
    await page.locator('[data-test=figures]').waitFor();
    expect(await shownText(page.locator('[data-test=answer-text]'))).toBe('It is so.');
    expect(await page.getByText('Thought first').count()).toBe(1);
  });
});
