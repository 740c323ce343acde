import type * as vscode from 'vscode';
import type { GlmContext } from '../glmContext';
import { registerCommand } from './registerCommand';

/** Shows the log channel. */
export function registerShowLog(ctx: GlmContext): vscode.Disposable {
  return registerCommand(ctx.log, 'glm.showLog', () => ctx.channel.show(true));
}
