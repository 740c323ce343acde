/** Keeps the Problems pane true to the open Python documents and notebooks. */
import * as vscode from 'vscode';
import type { Log } from '../../common/log';
import type { Diagnostic } from '../../diagnostics/finding';
import type { NotebookCell } from '../../diagnostics/notebook';
import type { LintWorkerClient } from './lintWorkerClient';
import { lintSection, readLintSettings } from './lintSettings';
import { GlmDiagnostic } from './toVscode';

/** Quiet time after a keystroke before the analysis starts. */
const debounceMs = 150;

export class DiagnosticsController implements vscode.Disposable {
  readonly collection = vscode.languages.createDiagnosticCollection('glm');
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private readonly subscriptions: vscode.Disposable[] = [];
  /** Files that no editor holds and that have findings from the workspace command, by address. */
  private readonly scanned = new Map<string, vscode.Uri>();

  constructor(
    private readonly worker: LintWorkerClient,
    private readonly log: Log,
  ) {
    this.subscriptions.push(
      this.collection,
      vscode.workspace.onDidOpenTextDocument((document) => this.schedule(document)),
      vscode.workspace.onDidChangeTextDocument((event) => event.contentChanges.length > 0 && this.schedule(event.document)),
      vscode.workspace.onDidCloseTextDocument((document) => this.close(document)),
      vscode.workspace.onDidOpenNotebookDocument((notebook) => this.scheduleNotebook(notebook)),
      vscode.workspace.onDidChangeNotebookDocument((event) => event.contentChanges.length > 0 && this.scheduleNotebook(event.notebook)),
      vscode.workspace.onDidCloseNotebookDocument((notebook) => this.closeNotebook(notebook)),
      vscode.workspace.onDidChangeConfiguration((event) => event.affectsConfiguration(lintSection) && this.refreshAll()),
    );
    this.refreshAll();
  }

  dispose(): void {
    this.timers.forEach((timer) => clearTimeout(timer));
    this.timers.clear();
    this.subscriptions.splice(0).forEach((subscription) => subscription.dispose());
  }

  /** An open editor's own findings win. */
  private setScanned(uri: vscode.Uri, findings: readonly Diagnostic[]): void {
    const isOpen = vscode.workspace.textDocuments.some((document) => document.uri.toString() === uri.toString()) || vscode.workspace.notebookDocuments.some((notebook) => notebook.uri.toString() === uri.toString());
    if (isOpen) {
      return;
    }
    this.scanned.set(uri.toString(), uri);
    this.collection.set(
      uri,
      findings.map((finding) => {
        const shown = new GlmDiagnostic(finding, () => uri);
        if (finding.cell !== undefined) {
          // Until the notebook is opened its cells have no address of their own.
          shown.message = `Cell ${finding.cell + 1}, line ${finding.range.start.line + 1}: ${finding.message}`;
          shown.range = new vscode.Range(0, 0, 0, 0);
        }
        return shown;
      }),
    );
  }

  /** Places where one of these rules reports something, open files first. */
  findingsOf(rules: readonly string[]): readonly { readonly uri: vscode.Uri; readonly diagnostic: GlmDiagnostic }[] {
    const found: { readonly uri: vscode.Uri; readonly diagnostic: GlmDiagnostic }[] = [];
    this.collection.forEach((uri, diagnostics) => {
      for (const diagnostic of diagnostics) {
        if (diagnostic instanceof GlmDiagnostic && rules.includes(diagnostic.finding.rule)) {
          found.push({ uri, diagnostic });
        }
      }
    });
    return found.sort((a, b) => rules.indexOf(a.diagnostic.finding.rule) - rules.indexOf(b.diagnostic.finding.rule));
  }

  /** The findings shown for a document, as the analyser gave them. */
  findingsIn(uri: vscode.Uri): readonly GlmDiagnostic[] {
    return (this.collection.get(uri) ?? []).filter((diagnostic): diagnostic is GlmDiagnostic => diagnostic instanceof GlmDiagnostic);
  }

  /** Lints a file as it lies on disk. Its findings stay until an editor holds it. @returns how many there are. */
  async scan(uri: vscode.Uri): Promise<number> {
    const settings = readLintSettings(uri);
    const { diagnostics } = settings.isEnabled ? await this.worker.request({ kind: 'file', path: uri.fsPath, settings }) : { diagnostics: [] };
    this.setScanned(uri, diagnostics);
    return diagnostics.length;
  }

  private refreshAll(): void {
    vscode.workspace.textDocuments.forEach((document) => this.schedule(document));
    vscode.workspace.notebookDocuments.forEach((notebook) => this.scheduleNotebook(notebook));
    this.scanned.forEach((uri) => this.after(uri, async () => void (await this.scan(uri))));
  }

  private schedule(document: vscode.TextDocument): void {
    if (document.languageId !== 'python') {
      return;
    }
    const notebook = notebookOf(document);
    if (notebook) {
      this.scheduleNotebook(notebook);
    } else if (document.uri.scheme === 'file' || document.uri.scheme === 'untitled') {
      this.after(document.uri, () => this.lintDocument(document));
    }
  }

  private scheduleNotebook(notebook: vscode.NotebookDocument): void {
    this.after(notebook.uri, () => this.lintNotebook(notebook));
  }

  private after(uri: vscode.Uri, lint: () => Promise<void>): void {
    const key = uri.toString();
    clearTimeout(this.timers.get(key));
    this.timers.set(
      key,
      setTimeout(() => {
        this.timers.delete(key);
        lint().catch((error: unknown) => this.log.log('warn', 'lint', `${uri.path}: ${error instanceof Error ? error.message : String(error)}`));
      }, debounceMs),
    );
  }

  private async lintDocument(document: vscode.TextDocument): Promise<void> {
    const settings = readLintSettings(document);
    if (document.isClosed || !settings.isEnabled) {
      this.collection.delete(document.uri);
      return;
    }
    const { version } = document;
    const { diagnostics } = await this.worker.request({ kind: 'document', key: document.uri.toString(), text: document.getText(), settings });
    // A newer text is on its way already.
    if (!document.isClosed && document.version === version) {
      this.scanned.delete(document.uri.toString());
      this.collection.set(document.uri, diagnostics.map((finding) => new GlmDiagnostic(finding, () => document.uri)));
    }
  }

  private async lintNotebook(notebook: vscode.NotebookDocument): Promise<void> {
    const settings = readLintSettings(notebook.uri);
    if (notebook.isClosed || !settings.isEnabled) {
      this.closeNotebook(notebook);
      return;
    }
    const versions = notebook.getCells().map((cell) => cell.document.version).join();
    const { diagnostics } = await this.worker.request({ kind: 'notebook', cells: pythonCells(notebook), settings });
    if (notebook.isClosed || notebook.getCells().map((cell) => cell.document.version).join() !== versions) {
      return;
    }
    this.collection.delete(notebook.uri);
    const uriOfCell = (index: number | undefined): vscode.Uri | undefined => (index === undefined ? undefined : notebook.getCells()[index]?.document.uri);
    for (const cell of notebook.getCells()) {
      this.collection.set(
        cell.document.uri,
        diagnostics.filter((finding) => finding.cell === cell.index).map((finding) => new GlmDiagnostic(finding, uriOfCell)),
      );
    }
  }

  private close(document: vscode.TextDocument): void {
    if (document.languageId === 'python' && !notebookOf(document)) {
      this.collection.delete(document.uri);
      void this.worker.request({ kind: 'close', key: document.uri.toString() }).catch(() => undefined);
    }
  }

  private closeNotebook(notebook: vscode.NotebookDocument): void {
    notebook.getCells().forEach((cell) => this.collection.delete(cell.document.uri));
  }
}

/** The notebook a cell's document belongs to. */
export function notebookOf(document: vscode.TextDocument): vscode.NotebookDocument | undefined {
  if (document.uri.scheme !== 'vscode-notebook-cell') {
    return undefined;
  }
  return vscode.workspace.notebookDocuments.find((notebook) => notebook.getCells().some((cell) => cell.document.uri.toString() === document.uri.toString()));
}

/** The Python code cells of a notebook; the index counts all cells. */
export function pythonCells(notebook: vscode.NotebookDocument): readonly NotebookCell[] {
  return notebook
    .getCells()
    .filter((cell) => cell.kind === vscode.NotebookCellKind.Code && cell.document.languageId === 'python')
    .map((cell) => ({ index: cell.index, text: cell.document.getText() }));
}
