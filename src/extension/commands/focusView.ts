import type * as vscode from 'vscode';
import type { GlmContext } from '../glmContext';
import { registerCommand } from './registerCommand';

/** Shows the chat with the cursor in its composer. */
export function registerFocusView(ctx: GlmContext): vscode.Disposable {
  return registerCommand(ctx.log, 'glm.focusView', async () => {
    await ctx.view.reveal();
    ctx.view.emit('composer-focus', {});
  });
}
