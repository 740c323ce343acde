import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GlmError } from '../../../../src/common/errors';
import type { ChatSession } from '../../../../src/extension/chat/chatSession';
import { largestConversationBytes } from '../../../../src/extension/chat/conversationStore';
import { makeChat, untilAnswered } from '../support';

async function ask(chat: ChatSession, text: string): Promise<void> {
  chat.send(text);
  await untilAnswered(chat);
}

describe('ChatSession', () => {
  it('loads the default model with the first question and streams the answer', async () => {
    const { chat, remembered } = makeChat();
    const deltas: string[] = [];
    chat.onDelta.on((delta) => void deltas.push(delta.text));
    await ask(chat, 'Hi');
    expect(remembered).toEqual(['/models/fake-glm4']);
    expect(deltas.join('')).toBe('Hello, world');
    expect(chat.conversation.turns).toMatchObject([
      { role: 'user', text: 'Hi' },
      { role: 'assistant', text: 'Hello, world', modelName: 'fake-glm4', figures: { promptTokens: 2, generatedTokens: 5, stopReason: 'eos', decodeTokensPerSecond: 500 } },
    ]);
    expect(chat.contextUsedTokens).toBe(7);
  });

  it('hands on that the context leaves less room than the answer may take, beside the prefill', async () => {
    const { chat } = makeChat({ contextLimit: { promptTokens: 2, contextTokens: 100, roomTokens: 98, maxNewTokens: 500 } });
    const states: unknown[] = [];
    chat.onGeneration.on((state) => void states.push(state?.contextLimit?.roomTokens));
    await ask(chat, 'Hi');
    expect(states).toContain(98);
    expect(chat.generation).toBeUndefined();
  });

  it('saves the answer, so that a new window opens the same conversation', async () => {
    const first = makeChat();
    await ask(first.chat, 'Hi');
    await first.chat.dispose();
    const second = makeChat({}, { folder: first.folder });
    await second.chat.restore();
    expect(second.chat.conversation.turns).toEqual(first.chat.conversation.turns);
    expect(second.chat.history.map((item) => item.title)).toEqual(['Hi']);
  });

  it('keeps what had arrived when the engine dies in the middle of an answer', async () => {
    const test = makeChat({ onToken: (child, index) => index === 3 && child.die({ signal: 'SIGKILL' }) });
    await ask(test.chat, 'Hi');
    const answer = test.chat.conversation.turns.at(-1);
    // The last tokens may still have been on their way when the process ended.
    expect(answer?.text).toMatch(/^Hello/);
    expect(answer).toMatchObject({ figures: { stopReason: 'engine-lost' }, error: { code: 'engine-lost' } });
    expect(answer?.error?.message).toContain('signal 9');
    expect(test.model.state).toMatchObject({ kind: 'lost', name: 'fake-glm4' });
    await test.store.flush();
    expect((await test.store.read(test.chat.conversation.id))?.turns.at(-1)?.text).toBe(answer?.text);
  });

  it('answers again after a loss, when asked to regenerate', async () => {
    let dies = true;
    const test = makeChat({
      onToken: (child, index) => {
        if (dies && index === 2) {
          dies = false;
          child.die({ exitCode: 1 });
        }
      },
    });
    await ask(test.chat, 'Hi');
    const lost = test.chat.conversation.turns[1];
    test.chat.regenerate(lost?.id ?? '');
    await untilAnswered(test.chat);
    expect(test.children).toHaveLength(2);
    expect(test.chat.conversation.turns).toMatchObject([{ text: 'Hi' }, { text: 'Hello, world', figures: { stopReason: 'eos' } }]);
  });

  it('stops within a step, keeps the text and calls it cancelled', async () => {
    const { chat } = makeChat({ tokens: Array.from({ length: 1000 }, () => 'a') });
    let count = 0;
    chat.onDelta.on(() => {
      count += 1;
      if (count === 10) {
        void chat.stop();
      }
    });
    await ask(chat, 'Hi');
    const answer = chat.conversation.turns.at(-1);
    expect(answer?.figures?.stopReason).toBe('cancelled');
    expect(answer?.error).toBeUndefined();
    expect(answer?.text.length).toBeGreaterThanOrEqual(10);
    expect(answer?.text.length).toBeLessThan(30);
  });

  it('can be stopped twice, and while the model is still loading', async () => {
    const { chat, model } = makeChat();
    chat.send('Hi');
    await new Promise<void>((resolve) => model.onState.on((state) => state.kind === 'loading' && resolve()));
    await Promise.all([chat.stop(), chat.stop()]);
    expect(chat.generation).toBeUndefined();
    expect(chat.conversation.turns.at(-1)).toMatchObject({ text: '', figures: { stopReason: 'cancelled' } });
    await ask(chat, 'Now?');
    expect(chat.conversation.turns.at(-1)?.text).toBe('Hello, world');
  });

  it('shows a failed load under the question', async () => {
    const { chat, model } = makeChat({ loadError: new GlmError('checkpoint-not-found', 'No such folder.') });
    await ask(chat, 'Hi');
    expect(chat.conversation.turns.at(-1)).toMatchObject({ text: '', figures: { stopReason: 'error' }, error: { code: 'checkpoint-not-found', message: 'No such folder.' } });
    expect(model.state).toMatchObject({ kind: 'failed' });
  });

  it('refuses a second question while an answer is being written', async () => {
    const { chat } = makeChat();
    chat.send('One');
    expect(() => chat.send('Two')).toThrow(expect.objectContaining({ code: 'answer-in-progress' }));
    await untilAnswered(chat);
    expect(chat.conversation.turns).toHaveLength(2);
  });

  it('replaces an edited question and drops what came after it', async () => {
    const { chat } = makeChat();
    await ask(chat, 'One');
    await ask(chat, 'Two');
    chat.editQuestion(chat.conversation.turns[0]?.id ?? '', 'Eins');
    await untilAnswered(chat);
    expect(chat.conversation.turns.map((turn) => turn.text)).toEqual(['Eins', 'Hello, world']);
  });

  it('sends attachments once, with the question', async () => {
    const { chat } = makeChat();
    chat.attach({ name: 'a.py', text: 'x = 1' });
    await ask(chat, 'What is x?');
    expect(chat.attachments).toEqual([]);
    expect(chat.conversation.turns[0]?.attachments).toEqual([{ name: 'a.py', text: 'x = 1' }]);
  });

  it('refuses a question that the conversation has no room for, and keeps it as it was', async () => {
    const { chat } = makeChat();
    expect(() => chat.send('a'.repeat(largestConversationBytes))).toThrow(expect.objectContaining({ code: 'conversation-too-large' }));
    expect(chat.conversation.turns).toEqual([]);
  });

  it('takes 5 MB of pasted text', async () => {
    const { chat } = makeChat();
    await ask(chat, 'b'.repeat(5_000_000));
    expect(chat.conversation.turns.at(-1)?.text).toBe('Hello, world');
    expect(chat.conversation.title.length).toBeLessThanOrEqual(60);
  });

  it('gives the view the answer so far while it streams', async () => {
    const { chat } = makeChat();
    let seen: string | undefined;
    chat.onDelta.on((delta) => {
      if (delta.generatedTokens === 3) {
        seen = chat.conversation.turns.at(-1)?.text;
      }
    });
    await ask(chat, 'Hi');
    expect(seen).toBe('Hello, ');
  });

  it('opens, renames and removes conversations', async () => {
    const { chat } = makeChat();
    await ask(chat, 'First');
    const first = chat.conversation.id;
    await chat.newChat();
    expect(chat.conversation.turns).toEqual([]);
    await ask(chat, 'Second');
    await chat.rename(first, 'Renamed');
    expect(chat.history.map((item) => item.title).sort()).toEqual(['Renamed', 'Second']);
    await chat.open(first);
    expect(chat.conversation.turns[0]?.text).toBe('First');
    await chat.remove(first);
    expect(chat.conversation.turns).toEqual([]);
    expect(chat.history.map((item) => item.title)).toEqual(['Second']);
    await expect(chat.open(first)).rejects.toMatchObject({ code: 'conversation-not-found' });
  });

  it('goes on when the conversation cannot be saved', async () => {
    const { chat } = makeChat({}, { folder: join(import.meta.dirname, 'chatSession.test.ts') });
    await ask(chat, 'Hi');
    expect(chat.conversation.turns.at(-1)?.text).toBe('Hello, world');
  });
});
