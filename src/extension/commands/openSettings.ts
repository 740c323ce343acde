import * as vscode from 'vscode';
import type { GlmContext } from '../glmContext';
import { registerCommand } from './registerCommand';

/** Opens the settings of this extension, or the one that an error names. */
export function registerOpenSettings(ctx: GlmContext): vscode.Disposable {
  return registerCommand(ctx.log, 'glm.openSettings', async (setting) => {
    const query = typeof setting === 'string' && setting.startsWith('glm.') ? setting : `@ext:${ctx.extension.extension.id}`;
    await vscode.commands.executeCommand('workbench.action.openSettings', query);
  });
}
