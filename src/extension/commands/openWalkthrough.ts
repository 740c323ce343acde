import * as vscode from 'vscode';
import type { GlmContext } from '../glmContext';
import { registerCommand } from './registerCommand';

/** Opens the first steps. */
export function registerOpenWalkthrough(ctx: GlmContext): vscode.Disposable {
  return registerCommand(ctx.log, 'glm.openWalkthrough', async () => {
    await vscode.commands.executeCommand('workbench.action.openWalkthrough', `${ctx.extension.extension.id}#getStarted`, false);
  });
}
