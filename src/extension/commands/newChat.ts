import type * as vscode from 'vscode';
import type { GlmContext } from '../glmContext';
import { registerCommand } from './registerCommand';

/** Starts an empty conversation; the old one stays in the history. */
export function registerNewChat(ctx: GlmContext): vscode.Disposable {
  return registerCommand(ctx.log, 'glm.newChat', async () => {
    await ctx.chat.newChat();
    await ctx.view.reveal();
    ctx.view.emit('composer-focus', {});
  });
}
