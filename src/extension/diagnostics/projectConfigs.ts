/** `[tool.glm]` of the pyproject.toml that is nearest to a file, as the command line reads it; read again when one changes. */
import { posix } from 'node:path';
import * as vscode from 'vscode';
import type { Log } from '../../common/log';
import { LintConfigError, isExcluded, nearestLintConfig, type LintConfig } from '../../diagnostics/projectConfig';

const fileName = 'pyproject.toml';

export class ProjectConfigs implements vscode.Disposable {
  /** By folder. */
  private readonly known = new Map<string, Promise<LintConfig | undefined>>();
  private readonly told = new Set<string>();
  /** What cannot be meant is shown where it is written. */
  private readonly problems = vscode.languages.createDiagnosticCollection('glm-project');
  private readonly subscriptions: vscode.Disposable[] = [];
  /** Folders above the workspace: its own watcher does not reach them. */
  private readonly watchedOutside = new Set<string>();

  constructor(
    private readonly log: Log,
    private readonly changed: () => void,
  ) {}

  /** Undefined where no project says anything, or what it says cannot be meant. */
  nearest(file: vscode.Uri): Promise<LintConfig | undefined> {
    const folder = folderOf(file);
    if (folder === undefined) {
      return Promise.resolve(undefined);
    }
    this.watch();
    const key = folder.toString();
    const known = this.known.get(key) ?? this.read(folder);
    this.known.set(key, known);
    return known;
  }

  dispose(): void {
    this.subscriptions.splice(0).forEach((subscription) => subscription.dispose());
    this.problems.dispose();
    this.known.clear();
  }

  private async read(folder: vscode.Uri): Promise<LintConfig | undefined> {
    const uris = new Map(upwards(folder).map((uri) => [nameOf(uri), uri]));
    try {
      return await nearestLintConfig(uris.keys(), async (name) => {
        const uri = uris.get(name);
        const bytes = uri && (await Promise.resolve(vscode.workspace.fs.readFile(uri)).catch(() => undefined));
        if (uri && bytes) {
          this.watchOutside(uri);
        }
        return bytes && new TextDecoder().decode(bytes);
      });
    } catch (error) {
      if (!(error instanceof LintConfigError)) {
        throw error;
      }
      this.tell(error, uris.get(error.place?.path ?? ''));
      return undefined;
    }
  }

  /** Many files have the same project: one line. */
  private tell({ message, place }: LintConfigError, uri: vscode.Uri | undefined): void {
    if (this.told.has(message)) {
      return;
    }
    this.told.add(message);
    const text = `${message} Python files are checked without it.`;
    this.log.log('warn', 'lint', text);
    if (uri !== undefined && place !== undefined) {
      const problem = new vscode.Diagnostic(new vscode.Range(place.line, place.column, place.line, Number.MAX_SAFE_INTEGER), text, vscode.DiagnosticSeverity.Warning);
      problem.source = 'glm';
      this.problems.set(uri, [problem]);
    }
  }

  /** Nothing is watched before the first Python file. */
  private watch(): void {
    if (this.subscriptions.length === 0) {
      this.subscriptions.push(
        ...this.follow(`**/${fileName}`),
        // Comes also where nothing watches the disk.
        vscode.workspace.onDidSaveTextDocument(({ uri }) => uri.path.endsWith(`/${fileName}`) && this.forget()),
      );
    }
  }

  private watchOutside(uri: vscode.Uri): void {
    if (uri.scheme === 'file' && vscode.workspace.getWorkspaceFolder(uri) === undefined && !this.watchedOutside.has(uri.toString())) {
      this.watchedOutside.add(uri.toString());
      this.subscriptions.push(...this.follow(new vscode.RelativePattern(uri.with({ path: posix.dirname(uri.path) }), fileName)));
    }
  }

  private follow(pattern: vscode.GlobPattern): readonly vscode.Disposable[] {
    const watcher = vscode.workspace.createFileSystemWatcher(pattern);
    const forget = (): void => this.forget();
    return [watcher, watcher.onDidCreate(forget), watcher.onDidChange(forget), watcher.onDidDelete(forget)];
  }

  private forget(): void {
    this.known.clear();
    this.told.clear();
    this.problems.clear();
    this.changed();
  }
}

/** Whether the project leaves the file out. Patterns are seen from the folder of its pyproject.toml; absolute ones mean what they say. */
export function isLeftOut(file: vscode.Uri, config: LintConfig): boolean {
  const own = config.source === undefined ? undefined : posix.dirname(pathOf(config.source));
  const path = own === undefined ? file.path : posix.relative(own, file.path);
  return isExcluded([path], config.exclude) || isExcluded([file.fsPath], config.exclude.filter((pattern) => /^(\/|[a-z]:)/i.test(pattern)));
}

/** A text that nobody has saved belongs to the first folder of the workspace, where its file is likely to go. */
function folderOf(file: vscode.Uri): vscode.Uri | undefined {
  return file.scheme === 'untitled' ? vscode.workspace.workspaceFolders?.[0]?.uri : file.with({ path: posix.dirname(file.path) });
}

function upwards(folder: vscode.Uri): readonly vscode.Uri[] {
  const here = folder.with({ path: posix.join(folder.path, fileName) });
  const parent = posix.dirname(folder.path);
  return parent === folder.path || parent === '.' ? [here] : [here, ...upwards(folder.with({ path: parent }))];
}

function nameOf(uri: vscode.Uri): string {
  return uri.scheme === 'file' ? uri.fsPath : uri.toString();
}

function pathOf(name: string): string {
  return /^[a-z][\w+.-]+:\//i.test(name) ? vscode.Uri.parse(name).path : vscode.Uri.file(name).path;
}
