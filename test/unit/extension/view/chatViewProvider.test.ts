import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { RpcMessage } from '../../../../src/common/protocol/rpc';
import { Emitter } from '../../../../src/extension/emitter';
import { ChatViewProvider } from '../../../../src/extension/view/chatViewProvider';

const executed = vi.hoisted(() => ({ commands: [] as string[] }));
vi.mock('vscode', () => ({
  Uri: { joinPath: (base: { path: string }, ...parts: string[]) => ({ path: [base.path, ...parts].join('/'), toString: () => [base.path, ...parts].join('/') }) },
  commands: { executeCommand: (id: string) => (executed.commands.push(id), Promise.resolve()) },
}));

/** A view as the editor gives one: what is posted to it is kept, and the test plays its page. */
class FakeView {
  visible = true;
  readonly posted: RpcMessage[] = [];
  readonly fromPage = new Emitter<unknown>();
  readonly visibility = new Emitter<void>();
  readonly disposed = new Emitter<void>();
  readonly webview = {
    html: '',
    options: {},
    cspSource: 'https://csp',
    asWebviewUri: (uri: unknown) => uri,
    postMessage: (message: RpcMessage) => (this.posted.push(message), Promise.resolve(true)),
    onDidReceiveMessage: (listener: (message: unknown) => void) => ({ dispose: this.fromPage.on(listener) }),
  };
  onDidChangeVisibility = (listener: () => void) => ({ dispose: this.visibility.on(listener) });
  onDidDispose = (listener: () => void) => ({ dispose: this.disposed.on(listener) });

  sayReady(): Promise<void> {
    this.fromPage.fire({ kind: 'request', id: 1, method: 'view-ready', params: {} });
    return settle();
  }

  get names(): readonly string[] {
    return this.posted.map((message) => (message.kind === 'event' ? message.name : message.kind));
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

let provider: ChatViewProvider;
let view: FakeView;
let whileReading: () => void;

function resolve(target: FakeView): void {
  provider.resolveWebviewView(target as unknown as Parameters<ChatViewProvider['resolveWebviewView']>[0]);
}

beforeEach(() => {
  whileReading = () => undefined;
  view = new FakeView();
  const handlers = { 'view-ready': () => (whileReading(), { choices: [] }) };
  provider = new ChatViewProvider({ path: '/ext' } as never, handlers as never);
});

describe('ChatViewProvider', () => {
  it('posts nothing before the page is ready', async () => {
    resolve(view);
    provider.emit('context-used', { tokens: 1 });
    expect(view.posted).toEqual([]);
    await view.sayReady();
    provider.emit('context-used', { tokens: 2 });
    expect(view.posted).toMatchObject([{ kind: 'reply', id: 1 }, { kind: 'event', payload: { tokens: 2 } }]);
  });

  it('holds events that come between the state and its reply until the reply has gone out', async () => {
    resolve(view);
    whileReading = () => queueMicrotask(() => provider.emit('context-used', { tokens: 3 }));
    await view.sayReady();
    expect(view.names).toEqual(['reply', 'context-used']);
  });

  it('asks for readiness again after the page was hidden', async () => {
    const seen: boolean[] = [];
    provider.onVisible.on((visible) => seen.push(visible));
    resolve(view);
    await view.sayReady();
    view.visible = false;
    view.visibility.fire();
    provider.emit('context-used', { tokens: 4 });
    view.visible = true;
    view.visibility.fire();
    await view.sayReady();
    provider.emit('context-used', { tokens: 5 });
    expect(view.names).toEqual(['reply', 'reply', 'context-used']);
    expect(seen).toEqual([true, false, true]);
  });

  it('survives a view that is closed before it was ready, and serves the next one', async () => {
    resolve(view);
    view.disposed.fire();
    await view.sayReady();
    expect(view.posted).toEqual([]);
    const moved = new FakeView();
    resolve(moved);
    await moved.sayReady();
    provider.emit('context-used', { tokens: 6 });
    expect(moved.names).toEqual(['reply', 'context-used']);
  });

  it('ignores messages that are none of ours', async () => {
    resolve(view);
    view.fromPage.fire('hello');
    view.fromPage.fire({ kind: 'request' });
    view.fromPage.fire({ kind: 'request', id: 9, method: 'toString', params: {} });
    await settle();
    expect(view.posted).toMatchObject([{ kind: 'reply', id: 9, error: { code: 'unknown-request' } }]);
  });

  it('waits with revealing until the page is ready', async () => {
    resolve(view);
    let isRevealed = false;
    void provider.reveal().then(() => (isRevealed = true));
    await settle();
    expect(isRevealed).toBe(false);
    await view.sayReady();
    expect(isRevealed).toBe(true);
    expect(executed.commands).toEqual(['glm.chat.focus']);
  });
});
