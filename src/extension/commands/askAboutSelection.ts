import * as vscode from 'vscode';
import { GlmError } from '../../common/errors';
import type { GlmContext } from '../glmContext';
import { registerCommand } from './registerCommand';

/** Attaches the selected lines to the next question and moves to the composer. */
export function registerAskAboutSelection(ctx: GlmContext): vscode.Disposable {
  return registerCommand(ctx.log, 'glm.askAboutSelection', async () => {
    const editor = vscode.window.activeTextEditor;
    if (editor === undefined || editor.selection.isEmpty) {
      throw new GlmError('no-selection', 'Nothing is selected. Select the lines you want to ask about, then run the command again.');
    }
    const { document, selection } = editor;
    // A selection that ends at the start of a line does not reach into that line.
    const lastLine = selection.end.character === 0 && selection.end.line > selection.start.line ? selection.end.line : selection.end.line + 1;
    const firstLine = selection.start.line + 1;
    ctx.chat.attach({
      name: `${vscode.workspace.asRelativePath(document.uri)}:${firstLine}${lastLine > firstLine ? `-${lastLine}` : ''}`,
      languageId: document.languageId,
      text: document.getText(selection),
    });
    await ctx.view.reveal();
    ctx.view.emit('composer-focus', {});
  });
}
