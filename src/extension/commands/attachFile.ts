import * as vscode from 'vscode';
import { editorActions, readAttachment } from '../editorActions';
import type { GlmContext } from '../glmContext';
import { registerCommand } from './registerCommand';

/** Attaches a file to the next question: the one it was called on, or one to choose. */
export function registerAttachFile(ctx: GlmContext): vscode.Disposable {
  return registerCommand(ctx.log, 'glm.attachFile', async (uri) => {
    const attachment = uri instanceof vscode.Uri ? await readAttachment(uri) : await editorActions.pickAttachment();
    if (attachment !== undefined) {
      ctx.chat.attach(attachment);
      await ctx.view.reveal();
      ctx.view.emit('composer-focus', {});
    }
  });
}
