import { describe, expect, it } from 'vitest';
import { silentLog } from '../../../../src/common/log';
import { RpcClient, RpcServer } from '../../../../src/common/protocol/rpc';
import type { Attachment, ChatSettingsChange, ChatViewContract } from '../../../../src/common/protocol/webview';
import { DeviceService } from '../../../../src/extension/devices/deviceService';
import { createViewHandlers, type EditorActions } from '../../../../src/extension/view/viewHandlers';
import { readSettings } from '../../../../src/extension/settings/settings';
import { makeChat, untilAnswered } from '../support';
import type { FakeEngineBehaviour } from '../../../fakes/fakeEngine';

function connect(behaviour: FakeEngineBehaviour = {}) {
  const test = makeChat(behaviour);
  const calls: string[] = [];
  const written: ChatSettingsChange[] = [];
  const picked: Attachment = { name: 'picked.txt', text: 'text' };
  const note =
    (name: string) =>
    (...args: readonly unknown[]): Promise<void> => {
      calls.push(`${name} ${JSON.stringify(args)}`);
      return Promise.resolve();
    };
  const editor: EditorActions = {
    copyText: note('copy'),
    insertText: note('insert'),
    newFile: note('new-file'),
    pickAttachment: () => Promise.resolve(picked),
    openUrl: note('open'),
    runCommand: note('run'),
    chooseModel: note('choose'),
  };
  const handlers = createViewHandlers({
    chat: test.chat,
    model: test.model,
    devices: new DeviceService({ start: () => Promise.reject(new Error('unused')) as never, log: silentLog, intervalMs: () => 1000, ownPids: () => [] }),
    settings: { read: () => ({ ...readSettings(() => undefined), mode: 'chat' }), write: (change) => (written.push(change), Promise.resolve()) },
    choices: () => [],
    editor,
  });
  const client: RpcClient<ChatViewContract> = new RpcClient<ChatViewContract>((message) => server.receive(message));
  const server: RpcServer<ChatViewContract> = new RpcServer<ChatViewContract>((message) => client.receive(message), handlers);
  return { ...test, client, calls, written };
}

describe('createViewHandlers', () => {
  it('answers view-ready with the whole state, the text so far included', async () => {
    const { client, chat } = connect();
    const states: (string | undefined)[] = [];
    chat.onDelta.on((delta) => {
      if (delta.generatedTokens === 2) {
        void client.request('view-ready', {}).then((state) => states.push(state.conversation.turns.at(-1)?.text, state.generation?.turnId));
      }
    });
    await client.request('prompt-send', { text: 'Hi' });
    await untilAnswered(chat);
    expect(states[0]).toMatch(/^Hello/);
    expect(states[1]).toBe(chat.conversation.turns.at(-1)?.id);
  });

  it('runs only steps that an error on screen names', async () => {
    const { client, chat, calls } = connect({ onToken: (child) => child.die({ exitCode: 1 }) });
    await expect(client.request('next-step-run', { command: 'glm.reloadModel' })).rejects.toMatchObject({ code: 'step-not-offered' });
    await client.request('prompt-send', { text: 'Hi' });
    await untilAnswered(chat);
    await client.request('next-step-run', { command: 'glm.reloadModel' });
    expect(calls).toEqual(['run ["glm.reloadModel",[]]']);
    await expect(client.request('next-step-run', { command: 'glm.reloadModel', args: ['x'] })).rejects.toMatchObject({ code: 'step-not-offered' });
    await expect(client.request('next-step-run', { command: 'workbench.action.terminal.sendSequence' })).rejects.toMatchObject({ code: 'step-not-offered' });
  });

  it('opens web links from answers and nothing else', async () => {
    const { client, calls } = connect();
    await client.request('link-open', { url: 'https://example.org/a' });
    for (const url of ['command:workbench.action.quit', 'file:///etc/passwd', 'javascript:alert(1)', 'vscode://x', 'not a url']) {
      await expect(client.request('link-open', { url })).rejects.toMatchObject({ code: 'link-refused' });
    }
    expect(calls).toEqual(['open ["https://example.org/a"]']);
  });

  it('attaches a long paste as it is, and asks for a file without one', async () => {
    const { client, chat } = connect();
    await client.request('attachment-add', { attachment: { name: 'paste', text: 'long' } });
    await client.request('attachment-add', {});
    expect(chat.attachments.map((item) => item.name)).toEqual(['paste', 'picked.txt']);
    await client.request('attachment-remove', { name: 'paste' });
    expect(chat.attachments.map((item) => item.name)).toEqual(['picked.txt']);
  });

  it('hands code and settings on to the editor', async () => {
    const { client, calls, written } = connect();
    await client.request('code-copy', { text: 'a' });
    await client.request('code-insert', { text: 'b' });
    await client.request('code-new-file', { text: 'c', languageId: 'python' });
    await client.request('settings-change', { systemPrompt: 'Be brief.' });
    expect(calls).toEqual(['copy ["a"]', 'insert ["b"]', 'new-file ["c","python"]']);
    expect(written).toEqual([{ systemPrompt: 'Be brief.' }]);
  });

  it('reports a busy chat as an error with a step that can be run', async () => {
    const { client, chat, calls } = connect();
    await client.request('prompt-send', { text: 'Hi' });
    await expect(client.request('prompt-send', { text: 'again' })).rejects.toMatchObject({ code: 'answer-in-progress' });
    await client.request('next-step-run', { command: 'glm.stop' });
    expect(calls).toEqual(['run ["glm.stop",[]]']);
    await untilAnswered(chat);
  });
});
