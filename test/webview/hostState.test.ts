import { describe, expect, it } from 'vitest';
import type { ViewPage } from '../../tools/screenshots/webviewPage.mjs';
import { nextFrames, openChat, requestsOf, shownText, useBrowser, waitForRequest } from './support/openChat';

useBrowser();

describe('the connection', () => {
  it('sends nothing but view-ready before the host has answered', async () => {
    const page = await openChat({ scenario: 'chat', isDoorClosed: true, savedState: { draft: 'half a question' } });
    await page.locator('[data-test=composer]').waitFor();
    expect(await page.locator('[data-test=composer]').inputValue()).toBe('half a question');
    await page.locator('[data-test=composer]').focus();
    await page.keyboard.press('Enter');
    await page.locator('[data-test=new-chat]').click();
    await page.locator('[data-test=attach]').click();
    expect(await page.evaluate(() => window.fakeHost.requests.map((request) => request.method))).toEqual(['view-ready']);
    await page.evaluate(() => window.fakeHost.openDoor());
    await page.locator('[data-test=question]').waitFor();
    expect(await page.locator('[data-test=composer]').inputValue()).toBe('half a question');
  });

  it('takes up an answer under way where the host is', async () => {
    const page = await openChat({
      scenario: 'chat',
      change: { conversation: { id: 'c1', title: '', updatedAtMs: 0, turns: [{ id: 'q1', role: 'user', text: 'Hi' }, { id: 'a1', role: 'assistant', text: 'First half' }] }, generation: { turnId: 'a1' } },
    });
    await page.getByText('First half').waitFor();
    await page.locator('[data-test=stop]').waitFor();
    await page.evaluate(() => window.fakeHost.emit('answer-delta', { turnId: 'a1', text: ' and second half', generatedTokens: 9, tokensPerSecond: 50 }));
    await page.getByText('First half and second half').waitFor();
  });

  it('remembers draft, panel, open devices and scroll position', async () => {
    const page = await openChat({ scenario: 'chat', height: 420 });
    await page.locator('[data-test=composer]').fill('A draft');
    await page.locator('[data-test=device]').first().click();
    await page.locator('[data-test=device-details]').waitFor();
    const scroller = page.locator('glm-conversation .scroller');
    await scroller.hover();
    await page.mouse.wheel(0, -150);
    await page.waitForFunction(() => (window.savedState as { scroll?: unknown }).scroll !== undefined);
    const firstInSight = (view: ViewPage): Promise<string> =>
      view.locator('glm-conversation .scroller').evaluate((element) => {
        const { left, top } = element.getBoundingClientRect();
        return (element.getRootNode() as ShadowRoot).elementsFromPoint(left + 40, top + 6).map((hit) => hit.closest('article')?.dataset['turn']).find((id) => id !== undefined) ?? '';
      });
    const abovePx = (view: ViewPage, turnId: string): Promise<number> => view.locator(`article[data-turn=${turnId}]`).evaluate((article) => article.getBoundingClientRect().top);
    const turnId = await firstInSight(page);
    const before = await abovePx(page, turnId);
    const savedState = await page.evaluate(() => window.savedState);
    const again = await openChat({ scenario: 'chat', height: 420, savedState });
    expect(await again.locator('[data-test=composer]').inputValue()).toBe('A draft');
    await again.locator('[data-test=device-details]').waitFor();
    await expect.poll(async () => Math.abs((await abovePx(again, turnId)) - before)).toBeLessThan(5);
    // And it stays there: heights of turns out of sight become known within a few frames.
    await nextFrames(again);
    await nextFrames(again);
    expect(Math.abs((await abovePx(again, turnId)) - before)).toBeLessThan(5);
    await again.locator('[data-test=jump]').waitFor();
    await again.locator('[data-test=settings-button]').click();
    await again.getByRole('heading', { name: 'Chat settings' }).waitFor();
    const third = await openChat({ scenario: 'chat', savedState: await again.evaluate(() => window.savedState) });
    await third.getByRole('heading', { name: 'Chat settings' }).waitFor();
  });

  it('puts text into the composer when the host asks for it', async () => {
    const page = await openChat({ scenario: 'chat', savedState: { panel: 'history' } });
    await page.evaluate(() => window.fakeHost.emit('composer-focus', { text: 'Explain this code' }));
    await expect.poll(() => page.locator('[data-test=composer]').inputValue()).toBe('Explain this code');
    await page.keyboard.type('!');
    expect(await page.locator('[data-test=composer]').inputValue()).toBe('Explain this code!');
  });
});

describe('model and devices', () => {
  it('shows the model, its devices and what they hold', async () => {
    const page = await openChat({ scenario: 'chat' });
    expect(await page.locator('[data-test=model-facts]').innerText()).toBe('2 GPUs · bf16 · 32k');
    expect(await page.locator('[data-test=device]').count()).toBe(2);
    expect(await page.locator('[data-test=device]').first().getAttribute('title')).toMatch(/cuda:0 \(NVIDIA H100.*Weights 9\.4 GiB, KV cache .*utilisation 63 %, temperature 58 °C, power 412 of 700 W/);
    expect(await page.locator('[data-test=context]').innerText()).toContain('1.2k/32k');
    await page.locator('[data-test=device]').first().click();
    expect(await page.locator('[data-test=device-details]').innerText()).toMatch(/412 of 700 W[\s\S]*NVML/);
  });

  it('moves the bars with each sample', async () => {
    const page = await openChat({ scenario: 'chat' });
    const width = (): Promise<number> => page.locator('.segment.other').first().evaluate((element) => element.getBoundingClientRect().width);
    const before = await width();
    await page.evaluate(() => {
      const last = window.fakeHost.state.current.recentSamples.at(-1);
      window.fakeHost.emit('telemetry-sample', { timeMs: 2, devices: (last?.devices ?? []).map((reading) => ({ ...reading, usedBytes: 60 * 1024 ** 3, utilizationPercent: 99 })) });
    });
    await page.getByText('99 %').first().waitFor();
    await expect.poll(width).toBeGreaterThan(before * 2);
  });

  it('shows n/a for what could not be read, and never 0', async () => {
    const page = await openChat({ scenario: 'unknownReadings' });
    const line = await page.locator('[data-test=device]').first().innerText();
    expect(line).toMatch(/n\/a/);
    expect(line).not.toMatch(/\b0 %|\b0°|^0/);
  });

  it('marks a lost device and says why', async () => {
    const page = await openChat({ scenario: 'lostDevice' });
    expect(await page.locator('[data-test=device]').nth(1).innerText()).toContain('not answering');
    expect(await page.locator('[data-test=device]').nth(1).getAttribute('title')).toContain('Xid 79');
  });

  it('marks the demo model and leads to a real one with one click', async () => {
    const page = await openChat({ scenario: 'empty-demo' });
    expect(await page.locator('[data-test=demo-mark]').innerText()).toBe('demo');
    await page.locator('[data-test=choose-real-model]').click();
    expect(await waitForRequest(page, 'model-choose')).toEqual({});
  });

  it('offers the models in a menu that works by keyboard', async () => {
    const page = await openChat({ scenario: 'chat' });
    await page.locator('[data-test=model-button]').focus();
    await page.keyboard.press('ArrowDown');
    await page.locator('[data-test=model-menu]').waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    expect(await waitForRequest(page, 'model-choose')).toEqual({ source: '/models/GLM-Z1-9B-0414' });
    await page.locator('[data-test=model-button]').click();
    await page.keyboard.press('Escape');
    await page.locator('[data-test=model-menu]').waitFor({ state: 'detached' });
    expect(await page.evaluate(() => document.querySelector('glm-chat')?.shadowRoot?.querySelector('glm-chat-header')?.shadowRoot?.querySelector('glm-model-menu')?.shadowRoot?.activeElement?.getAttribute('data-test'))).toBe('model-button');
  });

  it('shows a load with bytes, time left and estimate, and cancels it', async () => {
    const page = await openChat({ scenario: 'loading' });
    expect(await shownText(page.locator('[data-test=load-progress]'))).toMatch(/Loading weights on cuda:1.*11\.2\/18\.8 GiB.*about 4 s left.*Estimate: 21\.3 GiB/);
    expect(await page.locator('[data-test=load-progress] [role=progressbar]').getAttribute('aria-valuenow')).toBe('60');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await waitForRequest(page, 'model-load-cancel');
  });

  it('says what failed, why and what next, and runs the next step', async () => {
    const page = await openChat({ scenario: 'failed' });
    expect(await shownText(page.locator('[data-test=load-failed]'))).toContain('needs 3.1 GiB more than cuda:0 has free');
    await page.getByRole('button', { name: 'Load with 8,192 tokens' }).click();
    expect(await waitForRequest(page, 'next-step-run')).toEqual({ command: 'glm.loadModel' });
    await page.getByRole('button', { name: 'Try again' }).click();
    await waitForRequest(page, 'model-reload');
  });

  it('keeps the conversation when the engine is lost and restarts it', async () => {
    const page = await openChat({ scenario: 'lost' });
    expect(await page.locator('[data-test=question]').count()).toBe(1);
    expect(await shownText(page.locator('[data-test=engine-lost]'))).toContain('ended by signal 9');
    await page.locator('[data-test=engine-lost]').getByRole('button', { name: 'Restart engine' }).click();
    await waitForRequest(page, 'model-reload');
  });

  it('shows an engine that does not respond without calling it dead', async () => {
    const page = await openChat({ scenario: 'not-responding' });
    expect(await shownText(page.locator('[data-test=not-responding]'))).toContain('has not responded for more than 7 s');
  });

  it('shows alignment messages with their cost and lets each be dismissed once', async () => {
    const page = await openChat({ scenario: 'alignment' });
    expect(await shownText(page.locator('[data-test=alignment]').first())).toMatch(/input_ids is on cpu[\s\S]*Fixed · 4 B per token · 0\.031 ms per token measured/);
    await page.getByRole('button', { name: 'What is this?' }).click();
    expect(await waitForRequest(page, 'next-step-run')).toEqual({ url: 'https://example.org/alignment' });
    await page.locator('[data-test=alignment]').first().getByRole('button', { name: 'Dismiss' }).click();
    expect(await waitForRequest(page, 'alignment-dismiss')).toEqual({ key: 'k1' });
    await page.waitForFunction(() => window.fakeHost.state.current.alignmentMessages.length === 1);
    await page.waitForFunction(() => document.querySelector('glm-chat')?.shadowRoot?.querySelector('glm-chat-header')?.shadowRoot?.querySelector('glm-alignment-notices')?.shadowRoot?.querySelectorAll('glm-notice').length === 1);
  });

  it('announces a full context before it cuts', async () => {
    const page = await openChat({ scenario: 'prefill' });
    expect(await shownText(page.locator('[data-test=context-full]'))).toMatch(/fills 92 % of the context; 2,668 tokens are left/);
    expect(await page.locator('[data-test=prefill]').innerText()).toContain('12,288 of 24,576');
  });
});

describe('history', () => {
  it('opens, renames, finds and deletes conversations', async () => {
    const page = await openChat({ scenario: 'history', savedState: { panel: 'history' } });
    expect(await page.locator('[data-test=history-entry]').count()).toBe(10);
    await page.getByRole('button', { name: 'Rename Device map' }).click();
    await page.locator('[data-test=rename-field]').evaluate((field) => ((field as HTMLInputElement).value = 'Placement'));
    await page.locator('[data-test=rename-field]').press('Enter');
    expect(await waitForRequest(page, 'conversation-rename')).toEqual({ id: 'c1', title: 'Placement' });
    await page.getByText('Placement').waitFor();
    await page.getByRole('textbox', { name: 'Find a chat' }).fill('注意');
    await page.waitForFunction(() => document.querySelector('glm-chat')?.shadowRoot?.querySelector('glm-history')?.shadowRoot?.querySelectorAll('[data-test=history-entry]').length === 2);
    await page.locator('[data-test=history-entry] [data-test=delete]').first().click();
    await page.locator('[data-test=confirm]').click();
    const deleted = (await waitForRequest(page, 'conversation-delete')) as { id: string };
    expect(deleted.id).toMatch(/^h/);
    await page.locator('[data-test=history-entry] .open').first().click();
    await waitForRequest(page, 'conversation-open');
    await page.locator('[data-test=composer]').waitFor();
  });

  it('starts a new chat from the header', async () => {
    const page = await openChat({ scenario: 'chat' });
    await page.locator('[data-test=new-chat]').click();
    await waitForRequest(page, 'conversation-new');
    await page.locator('[data-test=suggestion]').first().waitFor();
  });
});

describe('settings', () => {
  it('sends a right value when its field is left and explains a wrong one', async () => {
    const page = await openChat({ scenario: 'chat', savedState: { panel: 'settings' } });
    const temperature = page.getByRole('textbox', { name: 'Temperature' });
    await temperature.fill('9');
    await temperature.press('Tab');
    await page.getByText('Temperature lies between 0.01 and 5.').waitFor();
    expect(await requestsOf(page)).toEqual([]);
    await temperature.fill('0.3');
    await temperature.press('Tab');
    expect(await waitForRequest(page, 'settings-change')).toEqual({ options: { temperature: 0.3 } });
    await page.getByText('Temperature lies between').waitFor({ state: 'detached' });
  });

  it('keeps both of two edits made before the first comes back, and clears what is emptied', async () => {
    const page = await openChat({ scenario: 'chat', savedState: { panel: 'settings' } });
    await page.evaluate(() => (window.fakeHost.settingsDelayMs = 300));
    for (const [name, value] of [['Temperature', '0.3'], ['Top p', '0.5'], ['Seed', '7']] as const) {
      await page.getByRole('textbox', { name }).fill(value);
      await page.keyboard.press('Tab');
    }
    await page.waitForFunction(() => window.fakeHost.state.current.settings.options.seed === 7);
    expect(await page.evaluate(() => window.fakeHost.state.current.settings.options)).toMatchObject({ temperature: 0.3, topP: 0.5, seed: 7 });
    await page.getByRole('textbox', { name: 'Seed' }).fill('');
    await page.keyboard.press('Tab');
    await page.waitForFunction(() => window.fakeHost.state.current.settings.options.seed === undefined);
    expect((await requestsOf(page)).at(-1)).toEqual({ method: 'settings-change', params: { options: { seed: null } } });
  });

  it('changes system prompt, mode and stop strings', async () => {
    const page = await openChat({ scenario: 'chat', savedState: { panel: 'settings' } });
    await page.getByRole('textbox', { name: 'System prompt' }).fill('Be brief.');
    await page.keyboard.press('Tab');
    expect(await waitForRequest(page, 'settings-change')).toEqual({ systemPrompt: 'Be brief.' });
    await page.getByRole('textbox', { name: 'Stop strings' }).fill('User:\n\\n\\n');
    await page.keyboard.press('Tab');
    await page.waitForFunction(() => window.fakeHost.state.current.settings.options.stopStrings.length === 2);
    expect(await page.evaluate(() => window.fakeHost.state.current.settings.options.stopStrings)).toEqual(['User:', '\n\n']);
    await page.getByRole('combobox', { name: 'Mode' }).press('ArrowDown');
    await page.waitForFunction(() => window.fakeHost.state.current.settings.mode === 'completion');
    await page.keyboard.press('Escape');
    await page.locator('[data-test=composer]').waitFor();
  });

  it('offers a base checkpoint nothing but completion', async () => {
    const page = await openChat({ scenario: 'base', savedState: { panel: 'settings' } });
    await page.getByText('no chat template').waitFor();
    expect(await page.locator('[data-test=mode]').getAttribute('disabled')).not.toBeNull();
  });
});
