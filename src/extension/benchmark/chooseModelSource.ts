import * as vscode from 'vscode';
import type { GlmContext } from '../glmContext';

/** A checkpoint from the known ones, or a folder. Undefined when the user left. */
export async function chooseModelSource(ctx: GlmContext, title: string): Promise<string | undefined> {
  const folderLabel = '$(folder-opened) Choose a folder…';
  const items: (vscode.QuickPickItem & { readonly source?: string })[] = [...ctx.choices.list.map((choice) => ({ label: choice.label, detail: choice.detail, source: choice.source })), { label: folderLabel }];
  const item = await vscode.window.showQuickPick(items, { title: `GLM: Run Benchmark`, placeHolder: title, matchOnDetail: true });
  if (item?.label !== folderLabel) {
    return item?.source;
  }
  const [uri] = (await vscode.window.showOpenDialog({ canSelectFolders: true, canSelectFiles: false, canSelectMany: false, openLabel: 'Choose', title })) ?? [];
  return uri?.fsPath;
}
