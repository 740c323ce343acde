import type * as vscode from 'vscode';
import type { GlmContext } from '../glmContext';
import { registerCommand } from './registerCommand';

/** Ends the engine process whatever it is doing, then loads the model again. */
export function registerRestartEngine(ctx: GlmContext): vscode.Disposable {
  return registerCommand(ctx.log, 'glm.restartEngine', async () => void (await ctx.model.restart()));
}
