/** Activation. No native code and no model code is loaded in this process; see docs/architecture.md. */

import * as vscode from 'vscode';
import { registerCommands } from './commands';
import { GlmContext } from './glmContext';
import { registerStatusBar } from './status/statusBar';
import { chatViewId } from './view/chatViewProvider';

let current: GlmContext | undefined;

export function activate(extension: vscode.ExtensionContext): void {
  const startedMs = performance.now();
  const ctx = new GlmContext(extension);
  current = ctx;
  ctx.own(vscode.window.registerWebviewViewProvider(chatViewId, ctx.view));
  registerCommands(ctx);
  registerStatusBar(ctx);
  if (extension.extensionMode === vscode.ExtensionMode.Development) {
    // `npm start` and F5: the chat is what one wants to see.
    void vscode.commands.executeCommand(`${chatViewId}.focus`);
  }
  ctx.log.log('info', 'activation', `Activated in ${(performance.now() - startedMs).toFixed(1)} ms`);
}

export async function deactivate(): Promise<void> {
  await current?.shutDown();
  current = undefined;
}
