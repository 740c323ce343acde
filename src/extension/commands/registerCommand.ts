import * as vscode from 'vscode';
import type { Log } from '../../common/log';
import { showError } from '../showError';

/** Registers a command whose failure is shown with its next steps, and logged. */
export function registerCommand(log: Log, id: string, run: (...args: readonly unknown[]) => unknown): vscode.Disposable {
  return vscode.commands.registerCommand(id, async (...args: readonly unknown[]) => {
    try {
      return await run(...args);
    } catch (error) {
      log.log('warn', 'command', `${id}: ${error instanceof Error ? error.message : String(error)}`);
      void showError(error);
      return undefined;
    }
  });
}
