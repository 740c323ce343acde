import { describe, expect, it } from 'vitest';
import { scenarios } from './support/scenarios';
import { openChat, useBrowser, waitForRequest } from './support/openChat';

useBrowser();

describe('a hostile answer', () => {
  it('executes, loads and navigates nothing', async () => {
    const page = await openChat({ scenario: 'hostile' });
    await page.getByText('not bold').waitFor();
    expect(await page.evaluate(() => (window as Window & { hacked?: unknown }).hacked)).toBeUndefined();
    expect(await page.locator('glm-markdown :is(img, script, style, svg, iframe, form, input)').count()).toBe(0);
    const addresses = await page.locator('glm-markdown a').evaluateAll((anchors) => anchors.map((anchor) => anchor.getAttribute('href')));
    expect(addresses.length).toBeGreaterThanOrEqual(4);
    for (const address of addresses) {
      expect(address).toMatch(/^https:\/\/example\.org/);
    }
  });

  it('opens http and https links through the host only, by click and by middle click', async () => {
    const page = await openChat({ scenario: 'hostile' });
    await page.locator('glm-markdown a', { hasText: 'good' }).click();
    expect(await waitForRequest(page, 'link-open')).toEqual({ url: 'https://example.org/a?b=c' });
    await page.locator('glm-markdown a', { hasText: 'Image: remote' }).click({ button: 'middle' });
    await page.waitForFunction(() => window.fakeHost.requests.filter((request) => request.method === 'link-open').length === 2);
    expect(page.url()).toBe('https://view.test/');
    expect(page.context().pages()).toHaveLength(1);
  });

  it('does nothing while it streams either', async () => {
    const page = await openChat({ scenario: 'empty-demo' });
    await page.evaluate((text) => (window.fakeHost.answer = { text, tokensPerSecond: 400, charactersPerToken: 1 }), scenarios.hostile.conversation.turns[1]?.text ?? '');
    await page.locator('[data-test=composer]').fill('Attack');
    await page.keyboard.press('Enter');
    await page.locator('[data-test=figures]').waitFor();
    expect(await page.evaluate(() => (window as Window & { hacked?: unknown }).hacked)).toBeUndefined();
  });
});

describe('the content policy', () => {
  it('is really in force', async () => {
    const page = await openChat({ scenario: 'chat' });
    const violations = await page.evaluate(async () => {
      document.body.insertAdjacentHTML('beforeend', '<p style="color: red">x</p>');
      for (let waits = 0; waits < 100 && window.violations.length === 0; waits += 1) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      return window.violations.splice(0);
    });
    expect(violations).toHaveLength(1);
    page.errors.splice(0);
  });
});
