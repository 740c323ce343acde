import * as vscode from 'vscode';
import type { GlmContext } from '../glmContext';
import { registerCommand } from './registerCommand';

/** Lets tensors be kept where they are read, in the settings file that said otherwise, and loads the model again that way. */
export function registerFixAlignment(ctx: GlmContext): vscode.Disposable {
  return registerCommand(ctx.log, 'glm.fixAlignment', async () => {
    const configuration = vscode.workspace.getConfiguration('glm');
    const inWorkspace = configuration.inspect('deviceAlignment')?.workspaceValue !== undefined;
    await configuration.update('deviceAlignment', 'autoFix', inWorkspace ? vscode.ConfigurationTarget.Workspace : vscode.ConfigurationTarget.Global);
    await ctx.model.reload();
  });
}
