/**
 * What a window does to the chat, in a real VS Code with the packaged extension: keyboard only, code into the editor, the view moved,
 * an engine that stalls, a context that ends, a model that idles. Steps build on each other.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Conversation } from '../../src/common/protocol/webview';
import { write } from './support/palette';
import { conversationFolder, Session, textsIn } from './support/session';

const code = 'print("from the chat")\n';
const withCode: Conversation = {
  id: 'with-code',
  title: 'A conversation with code',
  updatedAtMs: 1_700_000_000_000,
  turns: [
    { id: 'c1', role: 'user', text: 'Print something.' },
    { id: 'c2', role: 'assistant', text: `Here:\n\n\`\`\`python\n${code}\`\`\`\n`, figures: { promptTokens: 5, reusedTokens: 0, generatedTokens: 20, stopReason: 'eos' } },
  ],
};

let session: Session;

beforeAll(async () => {
  session = await Session.start('window', { settings: { 'glm.maxNewTokens': 48, 'glm.sampling.doSample': false } }, (folder) => {
    const conversations = join(folder, conversationFolder);
    mkdirSync(conversations, { recursive: true });
    writeFileSync(join(conversations, `${withCode.id}.json`), JSON.stringify({ version: 1, conversation: withCode }));
    writeFileSync(join(folder, 'workspace', 'target.py'), '# here:\n');
  });
});

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') {
    await session.saveEvidence(`failed-window-${task.name.replaceAll(/[^a-z0-9]+/gi, '-')}`);
  }
});

afterAll(async () => {
  await session.close();
});

const poll = { timeout: 60_000, interval: 100 };
const textOf = async (locator: Locator): Promise<string> => (await textsIn(locator)).join('\n');
const questions = async (): Promise<readonly string[]> => (await session.inChat('question')).allInnerTexts();
const facts = async (): Promise<string> => textOf(await session.inChat('model-facts'));

/** The mark of what has the focus in the chat's page. */
const focused = async (): Promise<string> =>
  (await session.chatFrame()).evaluate(() => {
    let mark = '';
    for (let element = document.activeElement; element !== null; element = element.shadowRoot?.activeElement ?? null) {
      mark = element.getAttribute('data-test') ?? mark;
    }
    return mark;
  });

/** Runs in the chat's page: keeps what is said about the context, in order. A small model may fill a small context in a fifth of a second. */
function recordNotices(): void {
  const notices: string[] = [];
  Object.assign(globalThis, { notices });
  setInterval(() => {
    const answers = document.querySelector('glm-chat')?.shadowRoot?.querySelector('glm-conversation')?.shadowRoot?.querySelectorAll('glm-answer') ?? [];
    for (const answer of answers) {
      const text = answer.shadowRoot?.querySelector('glm-context-notice')?.shadowRoot?.querySelector('[data-test=context-notice]')?.textContent ?? '';
      if (text !== '' && text !== notices.at(-1)) {
        notices.push(text);
      }
    }
  }, 4);
}

/** Begins a new chat and waits until the cursor is in it: it would close a palette that is opened earlier. */
async function newChat(): Promise<void> {
  await session.newChat();
  await expect.poll(focused, poll).toBe('composer');
}

describe('the chat in a window', () => {
  it('is opened and asked with the keyboard alone', async () => {
    await session.openFile('target.py');
    await session.page.keyboard.press('Control+Alt+g');
    await expect.poll(facts, poll).toMatch(/CPU/);
    await expect.poll(focused, poll).toBe('composer');
    await session.page.keyboard.type('What can you do?');
    await session.page.keyboard.press('Enter');
    await expect.poll(questions, poll).toEqual(['What can you do?']);
    await expect.poll(async () => (await session.inChat('figures')).count(), poll).toBe(1);
    expect(await focused()).toBe('composer');
    // Back over the buttons of the bar to those of the answer.
    await session.page.keyboard.press('Shift+Tab');
    await expect.poll(focused, poll).not.toBe('composer');
    await session.page.keyboard.press('Control+Alt+g');
    await expect.poll(focused, poll).toBe('composer');
  });

  it('puts code of an answer where the cursor of the editor is', async () => {
    await (await session.inChat('history-button')).click();
    await (await session.inChat('history-entry')).filter({ hasText: withCode.title }).first().click();
    await expect.poll(questions, poll).toEqual(['Print something.']);
    await session.openFile('target.py');
    await session.page.keyboard.press('Control+End');
    await (await session.chatFrame()).getByRole('button', { name: 'Insert at cursor' }).click();
    const lines = session.page.locator('.monaco-editor .view-lines').first();
    await expect.poll(async () => (await lines.innerText()).replaceAll('\u00a0', ' '), poll).toMatch(/# here:\s*print\("from the chat"\)/);
    // The cursor goes to the editor after that; a palette opened earlier would be closed by it.
    await session.page.locator('.monaco-editor.focused').waitFor();
  });

  it('takes a chosen file along, and shows which', async () => {
    await session.palette.run('GLM: Attach File');
    await session.palette.enter('Attach a text file', join(session.workspace, 'ask_glm4.py'));
    await expect.poll(async () => textOf(await session.inChat('attachment')), poll).toContain('ask_glm4.py');
    await (await session.chatFrame()).getByRole('button', { name: 'Remove ask_glm4.py' }).click();
    await expect.poll(async () => (await session.inChat('attachment')).count(), poll).toBe(0);
  });

  it('keeps the conversation when the view moves to the other side bar', async () => {
    await session.palette.run('View: Move View');
    const input = session.page.locator('.quick-input-widget input').first();
    await input.waitFor();
    await write(input, 'Chat');
    await session.palette.pick('Chat');
    await session.palette.pick('New Secondary Side Bar Entry');
    // The page itself is laid over the side bar and is no child of it.
    await session.page.locator('.part.auxiliarybar').getByText('GLM').first().waitFor();
    await expect.poll(questions, poll).toEqual(['Print something.']);
    await session.ask('And now?');
    await expect.poll(async () => (await session.inChat('figures')).count(), poll).toBe(2);
    await session.palette.run('View: Reset View Locations');
    await session.openChat();
    await expect.poll(questions, poll).toEqual(['Print something.', 'And now?']);
  });

  it('says when the engine stalls, ends nothing, and takes it back', async () => {
    const [pid = 0] = session.processes('engineWorker.js');
    process.kill(pid, 'SIGSTOP');
    try {
      const stoppedMs = Date.now();
      await (await session.inChat('not-responding')).waitFor({ timeout: 30_000 });
      process.stdout.write(`Not responding was shown after ${((Date.now() - stoppedMs) / 1000).toFixed(1)} s\n`);
      expect(Date.now() - stoppedMs).toBeGreaterThan(4000);
      await expect.poll(() => session.statusBarItem.innerText(), poll).toContain('not responding');
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await (await session.inChat('not-responding')).waitFor({ state: 'detached', timeout: 30_000 });
    expect(session.processes('engineWorker.js')).toEqual([pid]);
  });

  it('announces the end of the context before it cuts', async () => {
    await session.reopenWith({ 'glm.contextLength': 200, 'glm.maxNewTokens': 1000, 'glm.ignoreEos': true }, async () => /200/.test(await facts()));
    await newChat();
    const frame = await session.chatFrame();
    await frame.evaluate(recordNotices);
    await session.ask('What does device_map="auto" do?');
    await expect.poll(async () => textOf(await session.inChat('context-notice')), poll).toMatch(/The answer was cut/);
    expect(await textOf(await session.inChat('stop-reason'))).toBe('context full');
    const notices = await frame.evaluate(() => (globalThis as { notices?: string[] }).notices ?? []);
    expect(notices[0]).toMatch(/The context is nearly full: \d+ of 200 tokens are in use\. The answer ends after \d+ more at the latest\./);
    expect(notices.slice(1).join('')).toMatch(/The answer was cut/);
  });

  it('frees an idle model and loads it again for the next question', async () => {
    await session.reopenWith({ 'glm.contextLength': 0, 'glm.maxNewTokens': 32, 'glm.ignoreEos': false, 'glm.idleUnloadMinutes': 0.1 }, async () => /4k/.test(await facts()));
    await expect.poll(() => session.processes('engineWorker.js').length, poll).toBe(0);
    await expect.poll(facts, poll).toBe('');
    await newChat();
    await session.ask('What can you do?');
    await expect.poll(async () => (await session.inChat('figures')).count(), poll).toBe(1);
    expect(await textOf(await session.inChat('stop-reason'))).toMatch(/complete|cut at max new tokens/);
  });

  it('breaks no content policy and throws no error in the view', () => {
    expect(session.violations).toEqual([]);
    expect(session.pageErrors).toEqual([]);
  });
});
