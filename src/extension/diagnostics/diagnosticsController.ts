/** Keeps the Problems pane true to the open Python documents and notebooks. */
import * as vscode from 'vscode';
import type { Log } from '../../common/log';
import type { Diagnostic } from '../../diagnostics/finding';
import { CheckedFiles } from './checkedFiles';
import { hasTab, isLinted, notebookOf, notebookOfTab, pythonCells } from './lintedDocuments';
import type { LintWorkerClient } from './lintWorkerClient';
import { lintSection, settingsOfFile, type EditorLintSettings } from './lintSettings';
import { ProjectConfigs } from './projectConfigs';
import { GlmDiagnostic } from './toVscode';

/** Quiet time after a keystroke before the analysis starts. */
const debounceMs = 150;

/** A finding with its file, or with the cell it stands in. */
export interface FoundPlace {
  readonly uri: vscode.Uri;
  readonly diagnostic: GlmDiagnostic;
}

export class DiagnosticsController implements vscode.Disposable {
  readonly collection = vscode.languages.createDiagnosticCollection('glm');
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private readonly subscriptions: vscode.Disposable[] = [];
  private readonly checked = new CheckedFiles({ changed: (uri) => this.rescan(uri), gone: (uri) => this.collection.delete(uri) });
  private readonly projects: ProjectConfigs;
  /** Notebooks whose last tab was closed: the editor may keep the document for long after that. */
  private readonly hidden = new Set<string>();

  constructor(
    private readonly worker: LintWorkerClient,
    private readonly log: Log,
  ) {
    this.projects = new ProjectConfigs(log, () => this.refreshAll());
    this.subscriptions.push(
      this.projects,
      this.collection,
      this.checked,
      vscode.workspace.onDidOpenTextDocument((document) => this.schedule(document)),
      vscode.workspace.onDidChangeTextDocument((event) => event.contentChanges.length > 0 && this.schedule(event.document)),
      vscode.workspace.onDidCloseTextDocument((document) => this.close(document)),
      vscode.workspace.onDidOpenNotebookDocument((notebook) => this.scheduleNotebook(notebook)),
      vscode.workspace.onDidChangeNotebookDocument((event) => event.contentChanges.length > 0 && this.scheduleNotebook(event.notebook)),
      vscode.workspace.onDidCloseNotebookDocument((notebook) => this.closeNotebook(notebook)),
      vscode.window.tabGroups.onDidChangeTabs((event) => this.takeTabs(event)),
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
    if (this.isOpen(uri)) {
      return;
    }
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

  /** What holds for a file or notebook: the editor's settings, then those of its project. */
  settingsOf(file: vscode.Uri, scope?: vscode.ConfigurationScope): Promise<EditorLintSettings> {
    return settingsOfFile(this.projects, file, scope);
  }

  private isOpen(uri: vscode.Uri): boolean {
    const key = uri.toString();
    return vscode.workspace.textDocuments.some((document) => document.uri.toString() === key) || (!this.hidden.has(key) && vscode.workspace.notebookDocuments.some((notebook) => notebook.uri.toString() === key));
  }

  /** Places where one of these rules reports something. */
  findingsOf(rules: readonly string[]): readonly FoundPlace[] {
    const found: FoundPlace[] = [];
    this.collection.forEach((uri, diagnostics) => {
      for (const diagnostic of diagnostics) {
        if (diagnostic instanceof GlmDiagnostic && rules.includes(diagnostic.finding.rule)) {
          found.push({ uri, diagnostic });
        }
      }
    });
    return found;
  }

  /** The findings shown for a document, as the analyser gave them. */
  findingsIn(uri: vscode.Uri): readonly GlmDiagnostic[] {
    return (this.collection.get(uri) ?? []).filter((diagnostic): diagnostic is GlmDiagnostic => diagnostic instanceof GlmDiagnostic);
  }

  /**
   * Lints a file as it lies on disk. Its findings are shown while no editor holds it.
   *
   * @returns how many there are.
   * @throws when it cannot be read; it has no findings then.
   */
  async scan(uri: vscode.Uri): Promise<number> {
    try {
      const settings = await this.settingsOf(uri);
      const { diagnostics } = settings.isEnabled ? await this.worker.request({ kind: 'file', path: uri.fsPath, settings }) : { diagnostics: [] };
      this.checked.add(uri);
      this.setScanned(uri, diagnostics);
      return diagnostics.length;
    } catch (error) {
      this.checked.delete(uri);
      if (!this.isOpen(uri)) {
        this.collection.delete(uri);
      }
      throw error;
    }
  }

  private rescan(uri: vscode.Uri): void {
    if (!this.isOpen(uri)) {
      this.after(uri, async () => void (await this.scan(uri)));
    }
  }

  private refreshAll(): void {
    vscode.workspace.textDocuments.forEach((document) => this.schedule(document));
    vscode.workspace.notebookDocuments.forEach((notebook) => this.scheduleNotebook(notebook));
    this.checked.forEach((uri) => this.rescan(uri));
  }

  private schedule(document: vscode.TextDocument): void {
    if (document.languageId !== 'python') {
      return;
    }
    const notebook = notebookOf(document);
    if (notebook) {
      this.scheduleNotebook(notebook);
    } else if (isLinted(document)) {
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
    const settings = await this.settingsOf(document.uri, document);
    if (document.isClosed || !settings.isEnabled) {
      this.collection.delete(document.uri);
      return;
    }
    const { version } = document;
    const { diagnostics } = await this.worker.request({ kind: 'document', key: document.uri.toString(), text: document.getText(), settings });
    // A newer text is on its way already.
    if (!document.isClosed && document.version === version) {
      this.collection.set(document.uri, diagnostics.map((finding) => new GlmDiagnostic(finding, () => document.uri)));
    }
  }

  private async lintNotebook(notebook: vscode.NotebookDocument): Promise<void> {
    const settings = await this.settingsOf(notebook.uri);
    if (notebook.isClosed || this.hidden.has(notebook.uri.toString()) || !settings.isEnabled) {
      this.clearNotebook(notebook);
      return;
    }
    const versions = notebook.getCells().map((cell) => cell.document.version).join();
    const { diagnostics } = await this.worker.request({ kind: 'notebook', cells: pythonCells(notebook), settings });
    if (notebook.isClosed || this.hidden.has(notebook.uri.toString()) || notebook.getCells().map((cell) => cell.document.version).join() !== versions) {
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
      this.showChecked(document.uri);
    }
  }

  private closeNotebook(notebook: vscode.NotebookDocument): void {
    this.hidden.delete(notebook.uri.toString());
    this.clearNotebook(notebook);
    this.showChecked(notebook.uri);
  }

  private clearNotebook(notebook: vscode.NotebookDocument): void {
    notebook.getCells().forEach((cell) => this.collection.delete(cell.document.uri));
  }

  /** What the workspace command knows of a file holds again when its editor is closed. */
  private showChecked(uri: vscode.Uri): void {
    if (this.checked.has(uri)) {
      // The event comes before the document has left the list of open ones.
      this.after(uri, async () => void (await this.scan(uri)));
    }
  }

  private takeTabs({ opened, closed }: vscode.TabChangeEvent): void {
    for (const uri of [...opened, ...closed].flatMap((tab) => notebookOfTab(tab) ?? [])) {
      const notebook = vscode.workspace.notebookDocuments.find((open) => open.uri.toString() === uri.toString());
      if (notebook === undefined) {
        continue;
      }
      if (hasTab(uri)) {
        this.hidden.delete(uri.toString());
        this.scheduleNotebook(notebook);
      } else {
        this.hidden.add(uri.toString());
        this.clearNotebook(notebook);
        this.showChecked(uri);
      }
    }
  }
}
