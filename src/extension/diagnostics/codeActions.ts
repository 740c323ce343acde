/** Quick fixes, "fix all", and the ignore comment. */
import * as vscode from 'vscode';
import type { DiagnosticFix } from '../../diagnostics/finding';
import { ignoreComment } from '../../diagnostics/ignoreComment';
import type { DiagnosticsController } from './diagnosticsController';
import { isLinted, notebookOf, pythonCells } from './lintedDocuments';
import { documentIndex } from './lintMessages';
import type { LintWorkerClient } from './lintWorkerClient';
import { toRange, type GlmDiagnostic } from './toVscode';

const fixAllKind = vscode.CodeActionKind.SourceFixAll.append('glm');
const notebookFixAllKind = vscode.CodeActionKind.Notebook.append('source.fixAll.glm');

export class LintCodeActions implements vscode.CodeActionProvider {
  static readonly metadata: vscode.CodeActionProviderMetadata = { providedCodeActionKinds: [vscode.CodeActionKind.QuickFix, fixAllKind, notebookFixAllKind] };

  constructor(
    private readonly controller: DiagnosticsController,
    private readonly worker: LintWorkerClient,
  ) {}

  async provideCodeActions(document: vscode.TextDocument, range: vscode.Range, context: vscode.CodeActionContext): Promise<vscode.CodeAction[]> {
    const actions: vscode.CodeAction[] = [];
    const wants = (kind: vscode.CodeActionKind): boolean => context.only === undefined || context.only.contains(kind);
    if (wants(vscode.CodeActionKind.QuickFix)) {
      const here = this.controller.findingsIn(document.uri).filter((diagnostic) => diagnostic.range.intersection(range) !== undefined);
      actions.push(...here.flatMap((diagnostic) => quickFixes(document, diagnostic)));
      if (here.some((diagnostic) => diagnostic.finding.fix?.safety === 'safe')) {
        const all = await this.fixAll(document, vscode.CodeActionKind.QuickFix);
        if (all) {
          actions.push(all);
        }
      }
    }
    // On save the editor asks for exactly one of these.
    for (const kind of [fixAllKind, notebookFixAllKind]) {
      if (context.only !== undefined && context.only.contains(kind)) {
        const all = await this.fixAll(document, kind);
        if (all) {
          actions.push(all);
        }
      }
    }
    return actions;
  }

  /** One edit with every safe fix of the file or notebook; undefined when there is none. */
  private async fixAll(document: vscode.TextDocument, kind: vscode.CodeActionKind): Promise<vscode.CodeAction | undefined> {
    const notebook = notebookOf(document);
    const settings = await (notebook ? this.controller.settingsOf(notebook.uri) : this.controller.settingsOf(document.uri, document));
    if (!settings.isEnabled || (notebook === undefined && !isLinted(document))) {
      return undefined;
    }
    const cells = notebook ? pythonCells(notebook) : [{ index: documentIndex, text: document.getText() }];
    const { changed } = await this.worker.request({ kind: 'fix-all', cells, settings });
    const edit = new vscode.WorkspaceEdit();
    for (const { index, text } of changed) {
      const target = notebook ? notebook.getCells()[index]?.document : document;
      if (target) {
        const { range, replacement } = smallestReplacement(target, text);
        edit.replace(target.uri, range, replacement);
      }
    }
    if (edit.size === 0) {
      return undefined;
    }
    const action = new vscode.CodeAction(notebook ? 'Fix all GLM problems in this notebook' : 'Fix all GLM problems in this file', kind);
    action.edit = edit;
    return action;
  }
}

function quickFixes(document: vscode.TextDocument, diagnostic: GlmDiagnostic): vscode.CodeAction[] {
  const actions: vscode.CodeAction[] = [];
  const { fix } = diagnostic.finding;
  if (fix) {
    const action = new vscode.CodeAction(fix.safety === 'safe' ? fix.title : `${fix.title} (may change the result)`, vscode.CodeActionKind.QuickFix);
    action.diagnostics = [diagnostic];
    action.isPreferred = fix.safety === 'safe';
    action.edit = editOf(document, fix);
    actions.push(action);
  }
  return [...actions, ...ignoreAction(document, diagnostic)];
}

function editOf(document: vscode.TextDocument, fix: DiagnosticFix): vscode.WorkspaceEdit {
  const edit = new vscode.WorkspaceEdit();
  const notebook = notebookOf(document);
  for (const part of fix.edits) {
    const uri = part.cell === undefined ? document.uri : notebook?.getCells()[part.cell]?.document.uri;
    if (uri) {
      edit.replace(uri, toRange(part.range), part.text);
    }
  }
  return edit;
}

/** None where no comment can stand. */
function ignoreAction(document: vscode.TextDocument, diagnostic: GlmDiagnostic): vscode.CodeAction[] {
  const { rule } = diagnostic.finding;
  const comment = ignoreComment(document.getText(), diagnostic.range.start.line, diagnostic.range.end.line, rule);
  if (comment === undefined) {
    return [];
  }
  const action = new vscode.CodeAction(`Ignore ${rule} on this line`, vscode.CodeActionKind.QuickFix);
  action.diagnostics = [diagnostic];
  action.edit = new vscode.WorkspaceEdit();
  action.edit.insert(document.uri, new vscode.Position(comment.line, comment.column), comment.text);
  return [action];
}

/** Replaces only what differs, so that cursors and folds elsewhere stay. */
function smallestReplacement(document: vscode.TextDocument, text: string): { readonly range: vscode.Range; readonly replacement: string } {
  const before = document.getText();
  const shorter = Math.min(before.length, text.length);
  let start = 0;
  while (start < shorter && before[start] === text[start]) {
    start++;
  }
  let same = 0;
  while (same < shorter - start && before[before.length - 1 - same] === text[text.length - 1 - same]) {
    same++;
  }
  return { range: new vscode.Range(document.positionAt(start), document.positionAt(before.length - same)), replacement: text.slice(start, text.length - same) };
}
