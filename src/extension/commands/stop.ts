import type * as vscode from 'vscode';
import type { GlmContext } from '../glmContext';
import { registerCommand } from './registerCommand';

/** Stops the answer under way; its text stays. */
export function registerStop(ctx: GlmContext): vscode.Disposable {
  return registerCommand(ctx.log, 'glm.stop', () => ctx.chat.stop());
}
