/** The linter in the editor: Problems, quick fixes, hover, workspace scan, explained messages. */
import * as vscode from 'vscode';
import type { Log } from '../../common/log';
import { LintCodeActions } from './codeActions';
import { DiagnosticsController } from './diagnosticsController';
import { registerExplainMessage } from './explainMessage';
import { LintHover } from './hover';
import { pythonDocuments } from './lintedDocuments';
import { LintWorkerClient } from './lintWorkerClient';
import { registerLintWorkspace } from './lintWorkspace';
import { registerRulePages } from './rulePages';

/** Nothing is parsed, and no thread started, before the first Python document appears. */
export function registerDiagnostics(context: Pick<vscode.ExtensionContext, 'extensionUri'>, log: Log): vscode.Disposable {
  const worker = new LintWorkerClient(vscode.Uri.joinPath(context.extensionUri, 'dist', 'lintWorker.js').fsPath, log);
  const controller = new DiagnosticsController(worker, log);
  return vscode.Disposable.from(
    controller,
    worker,
    vscode.languages.registerCodeActionsProvider(pythonDocuments, new LintCodeActions(controller, worker), LintCodeActions.metadata),
    vscode.languages.registerHoverProvider(pythonDocuments, new LintHover(controller)),
    registerRulePages(),
    registerLintWorkspace(controller, log),
    registerExplainMessage(controller, log),
  );
}
