/**
 * Hosts the chat view: its page, the message channel, and when readings are worth taking.
 *
 * Nothing is posted before the page said `view-ready`, whose reply carries the whole state; a hidden page is gone and says it again when it comes back.
 */

import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import type { ChatViewContract } from '../../common/protocol/webview';
import { isRpcMessage, RpcServer, type RpcHandlers } from '../../common/protocol/rpc';
import { Emitter } from '../emitter';
import { chatViewHtml } from './chatViewHtml';

export const chatViewId = 'glm.chat';

type Events = ChatViewContract['events'];

export class ChatViewProvider implements vscode.WebviewViewProvider, vscode.Disposable {
  /** True while the page can be seen. */
  readonly onVisible = new Emitter<boolean>();

  private view: vscode.WebviewView | undefined;
  private server: RpcServer<ChatViewContract> | undefined;
  private isReady = false;
  /** Events raised after the state was read and before its reply has gone out; undefined at other times. */
  private heldEvents: (() => void)[] | undefined;
  private readonly whenReady: (() => void)[] = [];
  private attached: vscode.Disposable[] = [];

  constructor(
    private readonly extensionUri: vscode.Uri,
    /** `view-ready` reads the state at once, without waiting. */
    private readonly handlers: RpcHandlers<ChatViewContract>,
    /** Settles once the conversation of an earlier window has been read. */
    private readonly restored: Promise<void> = Promise.resolve(),
  ) {}

  get visible(): boolean {
    return this.view?.visible === true;
  }

  resolveWebviewView(view: vscode.WebviewView): void {
    this.detach();
    this.view = view;
    const scripts = vscode.Uri.joinPath(this.extensionUri, 'dist', 'webview');
    view.webview.options = { enableScripts: true, localResourceRoots: [scripts, vscode.Uri.joinPath(this.extensionUri, 'media')] };
    const server = new RpcServer<ChatViewContract>(
      (message) => void view.webview.postMessage(message),
      {
        ...this.handlers,
        'view-ready': async (params, signal) => {
          await this.restored;
          // Events that come after the state has been read wait until its reply has gone out; those before it are part of it.
          this.heldEvents = [];
          setTimeout(() => this.becomeReady(server), 0);
          return this.handlers['view-ready'](params, signal);
        },
      },
    );
    this.server = server;
    this.attached = [
      view.webview.onDidReceiveMessage((message: unknown) => {
        if (isRpcMessage(message)) {
          server.receive(message);
        }
      }),
      view.onDidChangeVisibility(() => {
        if (!view.visible) {
          this.isReady = false;
          this.heldEvents = undefined;
        }
        this.onVisible.fire(view.visible);
      }),
      view.onDidDispose(() => {
        if (this.view === view) {
          this.detach();
          this.onVisible.fire(false);
        }
      }),
    ];
    view.webview.html = chatViewHtml({
      cspSource: view.webview.cspSource,
      scriptUri: view.webview.asWebviewUri(vscode.Uri.joinPath(scripts, 'chat.js')).toString(),
      nonce: randomBytes(18).toString('base64url'),
      title: 'GLM Chat',
    });
    this.onVisible.fire(view.visible);
  }

  /** Sends an event to the page; without one it is dropped, as the next `view-ready` brings the whole state. */
  emit<E extends keyof Events & string>(name: E, payload: Events[E]): void {
    if (this.heldEvents !== undefined) {
      this.heldEvents.push(() => this.server?.emit(name, payload));
    } else if (this.isReady) {
      this.server?.emit(name, payload);
    }
  }

  /** Shows the view and settles when its page is ready. */
  async reveal(): Promise<void> {
    await vscode.commands.executeCommand(`${chatViewId}.focus`);
    if (!this.isReady) {
      await new Promise<void>((resolve) => this.whenReady.push(resolve));
    }
  }

  dispose(): void {
    this.detach();
  }

  private becomeReady(server: RpcServer<ChatViewContract>): void {
    if (this.server === server) {
      this.isReady = true;
      const held = this.heldEvents ?? [];
      this.heldEvents = undefined;
      held.forEach((send) => send());
      this.whenReady.splice(0).forEach((resolve) => resolve());
    }
  }

  private detach(): void {
    this.isReady = false;
    this.heldEvents = undefined;
    this.server?.abortAll();
    this.server = undefined;
    this.view = undefined;
    this.attached.splice(0).forEach((item) => item.dispose());
  }
}
