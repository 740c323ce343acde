/** Shows an error with its next steps as buttons. */

import * as vscode from 'vscode';
import { isGlmError } from '../common/errors';

/** A cancelled action is an outcome and shows nothing. */
export async function showError(error: unknown): Promise<void> {
  if (isGlmError(error) && error.code === 'cancelled') {
    return;
  }
  const steps = isGlmError(error) ? error.next.filter((step) => step.command !== undefined || step.url !== undefined) : [];
  const message = error instanceof Error ? error.message : String(error);
  const chosen = await vscode.window.showErrorMessage(message, ...steps.map((step) => step.label));
  const step = steps.find((item) => item.label === chosen);
  if (step?.command !== undefined) {
    await vscode.commands.executeCommand(step.command, ...(step.args ?? []));
  } else if (step?.url !== undefined) {
    await vscode.env.openExternal(vscode.Uri.parse(step.url));
  }
}
