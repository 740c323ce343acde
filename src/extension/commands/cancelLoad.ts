import type * as vscode from 'vscode';
import type { GlmContext } from '../glmContext';
import { registerCommand } from './registerCommand';

/** Stops a load under way and frees what it took. */
export function registerCancelLoad(ctx: GlmContext): vscode.Disposable {
  return registerCommand(ctx.log, 'glm.cancelLoad', () => ctx.model.cancelLoad());
}
