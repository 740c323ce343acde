import type * as vscode from 'vscode';
import type { GlmContext } from '../glmContext';
import { registerCommand } from './registerCommand';

/** Loads again what was loaded last, in a fresh process. */
export function registerReloadModel(ctx: GlmContext): vscode.Disposable {
  return registerCommand(ctx.log, 'glm.reloadModel', async () => void (await ctx.model.reload()));
}
