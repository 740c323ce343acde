/** Files that "GLM: Check Python Files in Workspace" has looked at. Their findings stay while no editor holds them, so what becomes of the files is followed. */
import * as vscode from 'vscode';

export interface CheckedFilesEvents {
  /** The file has another text, or is new under this name. */
  changed(uri: vscode.Uri): void;
  gone(uri: vscode.Uri): void;
}

export class CheckedFiles implements vscode.Disposable {
  private readonly uris = new Map<string, vscode.Uri>();
  private watching: vscode.Disposable | undefined;

  constructor(private readonly events: CheckedFilesEvents) {}

  has(uri: vscode.Uri): boolean {
    return this.uris.has(uri.toString());
  }

  /** Nothing is watched before the first one. */
  add(uri: vscode.Uri): void {
    this.uris.set(uri.toString(), uri);
    this.watching ??= this.watch();
  }

  delete(uri: vscode.Uri): void {
    this.uris.delete(uri.toString());
  }

  forEach(visit: (uri: vscode.Uri) => void): void {
    [...this.uris.values()].forEach(visit);
  }

  dispose(): void {
    this.watching?.dispose();
    this.watching = undefined;
    this.uris.clear();
  }

  private watch(): vscode.Disposable {
    const watcher = vscode.workspace.createFileSystemWatcher('**/*.{py,ipynb}', true);
    // The editor's own events come also where nothing watches the disk.
    return vscode.Disposable.from(
      watcher,
      watcher.onDidChange((uri) => this.has(uri) && this.events.changed(uri)),
      watcher.onDidDelete((uri) => this.lose(uri)),
      vscode.workspace.onDidDeleteFiles(({ files }) => files.forEach((uri) => this.lose(uri))),
      vscode.workspace.onDidRenameFiles(({ files }) => files.forEach(({ oldUri, newUri }) => this.move(oldUri, newUri))),
    );
  }

  private lose(uri: vscode.Uri): void {
    for (const lost of this.within(uri)) {
      this.delete(lost);
      this.events.gone(lost);
    }
  }

  private move(from: vscode.Uri, to: vscode.Uri): void {
    for (const moved of this.within(from)) {
      const now = to.with({ path: to.path + moved.path.slice(from.path.length) });
      this.delete(moved);
      this.events.gone(moved);
      if (/\.(py|ipynb)$/.test(now.path)) {
        this.add(now);
        this.events.changed(now);
      }
    }
  }

  /** The file itself, or those of the folder. */
  private within(uri: vscode.Uri): readonly vscode.Uri[] {
    const key = uri.toString();
    return [...this.uris].filter(([own]) => own === key || own.startsWith(`${key}/`)).map(([, own]) => own);
  }
}
