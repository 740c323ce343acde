import type * as vscode from 'vscode';
import type { GlmContext } from '../glmContext';
import { chooseModel, loadWithEstimate } from './chooseModel';
import { registerCommand } from './registerCommand';

/** Loads the model of the setting, the one used last, or the demo model; asks when there is none. */
export function registerLoadModel(ctx: GlmContext): vscode.Disposable {
  return registerCommand(ctx.log, 'glm.loadModel', async () => {
    const source = ctx.choices.defaultSource;
    await (source === undefined ? chooseModel(ctx) : loadWithEstimate(ctx, source));
  });
}
