import * as vscode from 'vscode';
import type { GlmContext } from '../glmContext';
import { registerCommand } from './registerCommand';

/** What puts things right, by the setting that put them wrong. */
const rightValues = { deviceAlignment: 'autoFix', deviceMap: 'auto' } as const;

/** Lets tensors be kept where they are read, or layers go where there is room, in the settings file that said otherwise, and loads the model again that way. */
export function registerFixAlignment(ctx: GlmContext): vscode.Disposable {
  return registerCommand(ctx.log, 'glm.fixAlignment', async (wanted: unknown) => {
    const name: keyof typeof rightValues = wanted === 'deviceMap' ? 'deviceMap' : 'deviceAlignment';
    const configuration = vscode.workspace.getConfiguration('glm');
    const inWorkspace = configuration.inspect(name)?.workspaceValue !== undefined;
    await configuration.update(name, rightValues[name], inWorkspace ? vscode.ConfigurationTarget.Workspace : vscode.ConfigurationTarget.Global);
    await ctx.model.reload();
  });
}
