/** "GLM: Check Python Files in Workspace": every file, in the lint thread, with progress. */
import * as vscode from 'vscode';
import type { Log } from '../../common/log';
import { registerCommand } from '../commands/registerCommand';
import type { DiagnosticsController } from './diagnosticsController';
import { readLintSettings } from './lintSettings';

/** Requests under way at once: enough to keep the thread busy while files are read. */
const numParallel = 4;

export function registerLintWorkspace(controller: DiagnosticsController, log: Log): vscode.Disposable {
  return registerCommand(log, 'glm.lintWorkspace', () =>
    vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title: 'GLM: checking Python files', cancellable: true }, (progress, token) => lintWorkspace(controller, log, progress, token)),
  );
}

/** Lints every file that is not left out. A cancel keeps what was found. */
export async function lintWorkspace(
  controller: DiagnosticsController,
  log: Log,
  progress: vscode.Progress<{ readonly message?: string; readonly increment?: number }>,
  token: vscode.CancellationToken,
): Promise<void> {
  const found = await vscode.workspace.findFiles('**/*.{py,ipynb}', excludeGlob(), undefined, token);
  // The lint thread reads files by their path, which those of a virtual folder have not.
  const files = found.filter(({ scheme }) => scheme === 'file');
  let numDone = 0;
  let numFindings = 0;
  const queue = [...files];
  const work = async (): Promise<void> => {
    for (let uri = queue.shift(); uri && !token.isCancellationRequested; uri = queue.shift()) {
      try {
        const numFound = await controller.scan(uri);
        numFindings += numFound;
      } catch (error) {
        log.log('warn', 'lint', `${uri.fsPath}: ${error instanceof Error ? error.message : String(error)}`);
      }
      numDone++;
      progress.report({ message: `${numDone} of ${files.length}, ${numFindings} found`, increment: 100 / files.length });
    }
  };
  await Promise.all(Array.from({ length: numParallel }, work));
  log.log('info', 'lint', `Checked ${numDone} of ${files.length} files, ${numFindings} findings`);
  if (!token.isCancellationRequested) {
    const text = summaryOf(numFindings, files.length, found.length - files.length);
    void vscode.window.showInformationMessage(text, ...(numFindings > 0 ? ['Show Problems'] : [])).then((choice) => choice && vscode.commands.executeCommand('workbench.actions.view.problems'));
  }
}

/** `3 problems in 1 Python file.` */
export function summaryOf(numFindings: number, numFiles: number, numVirtual: number): string {
  const count = (number: number, noun: string): string => `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;
  const where = count(numFiles, 'Python file');
  return [
    numFiles === 0 ? 'There are no Python files to check.' : numFindings === 0 ? `Nothing found in ${where}.` : `${count(numFindings, 'problem')} in ${where}.`,
    ...(numVirtual === 0 ? [] : [`${count(numVirtual, 'file')} of a virtual folder can be checked only while open.`]),
  ].join(' ');
}

/** What no linter should look at, and what the user excludes. */
function excludeGlob(): string {
  const own = readLintSettings().workspaceExclude;
  return `{**/node_modules/**,**/site-packages/**,**/.venv/**,**/venv/**,**/.git/**,**/__pycache__/**,**/.ipynb_checkpoints/**${own === '' ? '' : `,${own}`}}`;
}
