/** Which documents the linter looks at, and what it sees of a notebook. */
import * as vscode from 'vscode';
import type { NotebookCell } from '../../diagnostics/notebook';

/** Where findings, fixes and explanations are offered; only documents that are looked at have findings. */
export const pythonDocuments: vscode.DocumentSelector = { language: 'python' };

/** Python that somebody writes: files, also of a virtual folder, and unsaved texts. Not the old side of a comparison, nor other read-only views. */
export function isLinted({ languageId, uri }: Pick<vscode.TextDocument, 'languageId' | 'uri'>): boolean {
  return languageId === 'python' && (uri.scheme === 'file' || uri.scheme === 'untitled' || vscode.workspace.fs.isWritableFileSystem(uri.scheme) === true);
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

/** The notebook a tab shows. */
export function notebookOfTab({ input }: vscode.Tab): vscode.Uri | undefined {
  return input instanceof vscode.TabInputNotebook ? input.uri : undefined;
}

/** Whether any tab shows the notebook. */
export function hasTab(notebook: vscode.Uri): boolean {
  return vscode.window.tabGroups.all.some((group) => group.tabs.some((tab) => notebookOfTab(tab)?.toString() === notebook.toString()));
}
