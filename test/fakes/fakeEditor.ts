/** As much of the editor as the linter uses: documents, notebooks and tabs that come and go, settings, and what is shown. */

type Listener = (event: unknown) => void;

class Event {
  private readonly listeners = new Set<Listener>();
  readonly on = (listener: Listener): { dispose(): void } => {
    this.listeners.add(listener);
    return { dispose: () => void this.listeners.delete(listener) };
  };
  fire(event: unknown): void {
    [...this.listeners].forEach((listener) => listener(event));
  }
}

export interface FakeUri {
  readonly scheme: string;
  readonly path: string;
  readonly fsPath: string;
  with(change: { readonly path: string }): FakeUri;
  toString(): string;
}

export function fakeUri(text: string): FakeUri {
  const scheme = /^[a-z][\w-]+(?=:)/.exec(text)?.[0] ?? 'file';
  const path = text.replace(/^[a-z][\w-]+:/, '');
  return { scheme, path, fsPath: path, with: (change) => fakeUri(`${scheme}:${change.path}`), toString: () => `${scheme}:${path}` };
}

export interface FakeDocument {
  readonly uri: FakeUri;
  readonly languageId: string;
  version: number;
  isClosed: boolean;
  getText(): string;
}

export interface FakeNotebook {
  readonly uri: FakeUri;
  isClosed: boolean;
  getCells(): readonly { readonly index: number; readonly kind: number; readonly document: FakeDocument }[];
}

function collectionOver(shown: Map<string, readonly unknown[]>): object {
  return {
    set: (uri: FakeUri, findings: readonly unknown[]) => shown.set(uri.toString(), findings),
    get: (uri: FakeUri) => shown.get(uri.toString()),
    delete: (uri: FakeUri) => shown.delete(uri.toString()),
    clear: () => shown.clear(),
    forEach: (visit: (uri: FakeUri, findings: readonly unknown[]) => void) => shown.forEach((findings, uri) => visit(fakeUri(uri), findings)),
    dispose: () => undefined,
  };
}

class TabInputNotebook {
  constructor(readonly uri: FakeUri) {}
}

export class FakeEditor {
  readonly textDocuments: FakeDocument[] = [];
  readonly notebookDocuments: FakeNotebook[] = [];
  readonly tabs: { readonly input: unknown }[] = [];
  readonly shown = new Map<string, readonly unknown[]>();
  /** What other collections than the linter's findings show. */
  readonly otherProblems = new Map<string, readonly unknown[]>();
  settings: Record<string, unknown> = {};
  readonly messages: string[] = [];
  readonly env = { language: 'en' };
  readonly pages: { provideTextDocumentContent(uri: FakeUri): string }[] = [];
  readonly progress: string[] = [];
  /** What `fs.readFile` reads, by path. */
  readonly readable = new Map<string, string>();
  readonly watched: unknown[] = [];
  /** What `findFiles` finds. */
  files: readonly FakeUri[] = [];
  readonly opened = new Event();
  readonly changed = new Event();
  readonly closed = new Event();
  readonly notebookOpened = new Event();
  readonly notebookChanged = new Event();
  readonly notebookClosed = new Event();
  readonly tabsChanged = new Event();
  readonly configurationChanged = new Event();
  readonly diskChanged = new Event();
  readonly diskCreated = new Event();
  readonly diskDeleted = new Event();
  readonly saved = new Event();
  readonly filesDeleted = new Event();
  readonly filesRenamed = new Event();

  open(name: string, text: string, languageId = 'python'): FakeDocument {
    const document: FakeDocument = { uri: fakeUri(name), languageId, version: 1, isClosed: false, getText: () => text };
    this.textDocuments.push(document);
    this.opened.fire(document);
    return document;
  }

  close(document: FakeDocument): void {
    this.textDocuments.splice(this.textDocuments.indexOf(document), 1);
    document.isClosed = true;
    this.closed.fire(document);
  }

  /** Opens a notebook of code cells in a tab. */
  openNotebook(name: string, texts: readonly string[]): FakeNotebook {
    const cells = texts.map((text, index) => ({ index, kind: 2, document: { uri: fakeUri(`vscode-notebook-cell:${name}#${index}`), languageId: 'python', version: 1, isClosed: false, getText: () => text } }));
    const notebook: FakeNotebook = { uri: fakeUri(name), isClosed: false, getCells: () => cells };
    this.notebookDocuments.push(notebook);
    cells.forEach(({ document }) => this.textDocuments.push(document));
    this.openTab(notebook.uri);
    this.notebookOpened.fire(notebook);
    return notebook;
  }

  openTab(uri: FakeUri): void {
    const tab = { input: new TabInputNotebook(uri) };
    this.tabs.push(tab);
    this.tabsChanged.fire({ opened: [tab], closed: [], changed: [] });
  }

  /** As VS Code does it: the tab goes, and the document may stay. */
  closeTab(uri: FakeUri): void {
    const index = this.tabs.findIndex(({ input }) => (input as TabInputNotebook).uri.toString() === uri.toString());
    const closed = this.tabs.splice(index, 1);
    this.tabsChanged.fire({ opened: [], closed, changed: [] });
  }

  configure(settings: Record<string, unknown>): void {
    this.settings = settings;
    this.configurationChanged.fire({ affectsConfiguration: () => true });
  }

  /** How many findings are shown, by address. */
  numShown(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.shown].filter(([, findings]) => findings.length > 0).map(([uri, findings]) => [uri, findings.length]));
  }

  /** What `import 'vscode'` gives. */
  readonly api = {
    DiagnosticSeverity: { Error: 0, Warning: 1, Information: 2, Hint: 3 },
    NotebookCellKind: { Markup: 1, Code: 2 },
    TabInputNotebook,
    CodeActionKind: actionKinds(),
    CodeAction: class {
      constructor(
        readonly title: string,
        readonly kind: unknown,
      ) {}
    },
    WorkspaceEdit: class {
      readonly edits: unknown[][] = [];
      get size(): number {
        return this.edits.length;
      }
      insert(...edit: unknown[]): void {
        this.edits.push(edit);
      }
      replace(...edit: unknown[]): void {
        this.edits.push(edit);
      }
    },
    Position: class {
      constructor(
        readonly line: number,
        readonly character: number,
      ) {}
    },
    Range: class {
      readonly start: { readonly line: number; readonly character: number };
      readonly end: { readonly line: number; readonly character: number };
      constructor(startLine: number, startColumn: number, endLine: number, endColumn: number) {
        this.start = { line: startLine, character: startColumn };
        this.end = { line: endLine, character: endColumn };
      }
      intersection(): unknown {
        return this;
      }
    },
    RelativePattern: class {
      constructor(
        readonly base: FakeUri,
        readonly pattern: string,
      ) {}
    },
    Location: class {},
    DiagnosticRelatedInformation: class {},
    Diagnostic: class {
      constructor(
        readonly range: unknown,
        public message: string,
        readonly severity: number,
      ) {}
    },
    Disposable: {
      from: (...all: readonly { dispose(): void }[]) => ({ dispose: () => all.forEach((one) => one.dispose()) }),
    },
    Uri: { parse: fakeUri, file: fakeUri, from: ({ scheme, path }: { readonly scheme: string; readonly path: string }) => fakeUri(`${scheme}:${path}`) },
    env: this.env,
    commands: { executeCommand: () => Promise.resolve(), registerCommand: () => ({ dispose: () => undefined }) },
    languages: {
      createDiagnosticCollection: (name: string) => collectionOver(name === 'glm' ? this.shown : this.otherProblems),
    },
    window: {
      tabGroups: { all: [{ tabs: this.tabs }], onDidChangeTabs: this.tabsChanged.on },
      showInformationMessage: (message: string) => (this.messages.push(message), Promise.resolve(undefined)),
    },
    workspace: {
      textDocuments: this.textDocuments,
      notebookDocuments: this.notebookDocuments,
      workspaceFolders: [{ uri: fakeUri('/w') }],
      getWorkspaceFolder: ({ path }: FakeUri) => (path.startsWith('/w/') ? { uri: fakeUri('/w') } : undefined),
      onDidSaveTextDocument: this.saved.on,
      fs: {
        readFile: ({ path }: FakeUri) => {
          const text = this.readable.get(path);
          return text === undefined ? Promise.reject(new Error(`${path} does not exist`)) : Promise.resolve(new TextEncoder().encode(text));
        },
        isWritableFileSystem: (scheme: string) => (scheme === 'vscode-vfs' ? true : scheme === 'git' ? false : undefined),
      },
      findFiles: () => Promise.resolve(this.files),
      registerTextDocumentContentProvider: (_: string, provider: FakeEditor['pages'][number]) => (this.pages.push(provider), { dispose: () => undefined }),
      onDidOpenTextDocument: this.opened.on,
      onDidChangeTextDocument: this.changed.on,
      onDidCloseTextDocument: this.closed.on,
      onDidOpenNotebookDocument: this.notebookOpened.on,
      onDidChangeNotebookDocument: this.notebookChanged.on,
      onDidCloseNotebookDocument: this.notebookClosed.on,
      onDidChangeConfiguration: this.configurationChanged.on,
      onDidDeleteFiles: this.filesDeleted.on,
      onDidRenameFiles: this.filesRenamed.on,
      createFileSystemWatcher: (pattern: unknown) => {
        this.watched.push(pattern);
        // Every name but those of Python files is followed by itself.
        const only = (event: Event) => (listener: Listener) => event.on((uri) => (String(uri).endsWith('.toml') === JSON.stringify(pattern).includes('.toml') ? listener(uri) : undefined));
        return { onDidCreate: only(this.diskCreated), onDidChange: only(this.diskChanged), onDidDelete: only(this.diskDeleted), dispose: () => undefined };
      },
      getConfiguration: () => ({ get: (name: string, fallback: unknown) => this.settings[name] ?? fallback }),
    },
  };
}

interface ActionKind {
  readonly value: string;
  append(part: string): ActionKind;
  contains(other: ActionKind): boolean;
}

function actionKinds(): Readonly<Record<'QuickFix' | 'SourceFixAll' | 'Notebook', ActionKind>> {
  const kind = (value: string): ActionKind => ({ value, append: (part) => kind(`${value}.${part}`), contains: (other) => other.value === value || other.value.startsWith(`${value}.`) });
  return { QuickFix: kind('quickfix'), SourceFixAll: kind('source.fixAll'), Notebook: kind('notebook') };
}
