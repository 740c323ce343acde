import type * as vscode from 'vscode';
import type { GlmContext } from '../glmContext';
import { registerCommand } from './registerCommand';

/** Frees the memory of the model by ending its process. */
export function registerUnloadModel(ctx: GlmContext): vscode.Disposable {
  return registerCommand(ctx.log, 'glm.unloadModel', () => ctx.model.unload());
}
