import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Diagnostic } from '../../../../src/diagnostics/finding';
import { rules } from '../../../../src/diagnostics/rules/registry';
import { severityFor, type LintSettings } from '../../../../src/diagnostics/settings';
import { LintCodeActions } from '../../../../src/extension/diagnostics/codeActions';
import { DiagnosticsController } from '../../../../src/extension/diagnostics/diagnosticsController';
import type { LintResult, LintWork } from '../../../../src/extension/diagnostics/lintMessages';
import type { LintWorkerClient } from '../../../../src/extension/diagnostics/lintWorkerClient';
import { lintWorkspace } from '../../../../src/extension/diagnostics/lintWorkspace';
import { registerRulePages, rulePageUri } from '../../../../src/extension/diagnostics/rulePages';
import { fakeUri, FakeEditor, type FakeUri } from '../../../fakes/fakeEditor';

const held = vi.hoisted(() => ({ api: {} as Record<string, unknown> }));
vi.mock('vscode', async () => {
  const fakes = await import('../../../fakes/fakeEditor');
  Object.assign(held.api, new fakes.FakeEditor().api);
  return held.api;
});
// Test files share modules: loaded here, it would register the commands of other files with this editor.
vi.mock('../../../../src/extension/commands/registerCommand', () => ({ registerCommand: () => ({ dispose: () => undefined }) }));

const logged: string[] = [];
const log = { log: (_level: string, _tag: string, message: string) => void logged.push(message) };
const position = { line: 0, column: 0 };
/** One for each "bad" in a text, where the rule runs. */
const findingsIn = (text: string, settings: LintSettings, cell?: number): readonly Diagnostic[] => {
  const rule = rules.find(({ code }) => code === 'GLM101');
  const severity = rule && severityFor(rule, settings);
  return severity === undefined ? [] : [...text.matchAll(/bad/g)].map(() => ({ rule: 'GLM101', ruleName: 'x', severity, message: 'm', cell, range: { start: position, end: position }, related: [] }));
};

let editor: FakeEditor;
let disk: Map<string, string>;
let controller: DiagnosticsController;
let worker: LintWorkerClient;

async function answer(work: LintWork): Promise<LintResult> {
  await Promise.resolve();
  switch (work.kind) {
    case 'document':
      return { diagnostics: findingsIn(work.text, work.settings), changed: [] };
    case 'notebook':
      return { diagnostics: work.cells.flatMap(({ index, text }) => findingsIn(text, work.settings, index)), changed: [] };
    case 'file': {
      const text = disk.get(work.path);
      if (text === undefined) {
        throw new Error('ENOENT');
      }
      return { diagnostics: findingsIn(text, work.settings, work.path.endsWith('.ipynb') ? 0 : undefined), changed: [] };
    }
    case 'fix-all':
      return { diagnostics: [], changed: work.cells.map(({ index, text }) => ({ index, text: text.replaceAll('bad', 'good') })) };
    case 'close':
      return { diagnostics: [], changed: [] };
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  editor = new FakeEditor();
  logged.length = 0;
  Object.assign(held.api, editor.api);
  disk = new Map();
  worker = { request: answer, dispose: () => undefined } as unknown as LintWorkerClient;
  controller = new DiagnosticsController(worker, log);
});

afterEach(() => {
  controller.dispose();
  vi.useRealTimers();
});

/** Past the quiet time after a change. */
const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(300);
const uriOf = (uri: FakeUri): Parameters<DiagnosticsController['scan']>[0] => uri as unknown as Parameters<DiagnosticsController['scan']>[0];

describe('DiagnosticsController', () => {
  it('looks at files, unsaved texts and files of a virtual folder, and at nothing read-only', async () => {
    for (const name of ['/w/a.py', 'untitled:b', 'vscode-vfs:/c.py', 'git:/d.py', 'output:e']) {
      editor.open(name, 'bad');
    }
    editor.open('/w/notes.txt', 'bad', 'plaintext');
    await settle();
    expect(editor.numShown()).toEqual({ 'file:/w/a.py': 1, 'untitled:b': 1, 'vscode-vfs:/c.py': 1 });
  });

  it('forgets a file that is closed', async () => {
    const document = editor.open('/w/a.py', 'bad');
    await settle();
    editor.close(document);
    await settle();
    expect(editor.numShown()).toEqual({});
  });

  it('shows what the workspace command found again when the editor of the file is closed', async () => {
    disk.set('/w/a.py', 'bad');
    await controller.scan(uriOf(fakeUri('/w/a.py')));
    const document = editor.open('/w/a.py', 'good');
    await settle();
    expect(editor.numShown()).toEqual({});
    editor.close(document);
    await settle();
    expect(editor.numShown()).toEqual({ 'file:/w/a.py': 1 });
  });

  it('follows checked files that change, are renamed or deleted, with their folder too', async () => {
    for (const name of ['/w/a.py', '/w/sub/b.py', '/w/sub/c.py', '/w/d.py']) {
      disk.set(name, 'bad');
      await controller.scan(uriOf(fakeUri(name)));
    }
    disk.set('/w/a.py', 'bad bad');
    editor.diskChanged.fire(fakeUri('/w/a.py'));
    editor.diskChanged.fire(fakeUri('/w/never-checked.py'));
    await settle();
    expect(editor.numShown()).toEqual({ 'file:/w/a.py': 2, 'file:/w/sub/b.py': 1, 'file:/w/sub/c.py': 1, 'file:/w/d.py': 1 });
    disk.set('/w/new/b.py', 'bad bad bad');
    disk.set('/w/new/c.py', 'good');
    editor.filesRenamed.fire({ files: [{ oldUri: fakeUri('/w/sub'), newUri: fakeUri('/w/new') }, { oldUri: fakeUri('/w/d.py'), newUri: fakeUri('/w/d.txt') }] });
    await settle();
    expect(editor.numShown()).toEqual({ 'file:/w/a.py': 2, 'file:/w/new/b.py': 3 });
    editor.filesDeleted.fire({ files: [fakeUri('/w/new')] });
    editor.diskDeleted.fire(fakeUri('/w/a.py'));
    await settle();
    expect(editor.numShown()).toEqual({});
  });

  it('forgets a checked file that can no longer be read', async () => {
    disk.set('/w/a.py', 'bad');
    await controller.scan(uriOf(fakeUri('/w/a.py')));
    disk.clear();
    editor.configure({});
    await settle();
    expect(editor.numShown()).toEqual({});
  });

  it('clears a notebook with its last tab, though the editor keeps the document, and looks again when it comes back', async () => {
    const notebook = editor.openNotebook('/w/n.ipynb', ['good', 'bad']);
    editor.openTab(notebook.uri);
    await settle();
    const shown = { 'vscode-notebook-cell:/w/n.ipynb#1': 1 };
    expect(editor.numShown()).toEqual(shown);
    editor.closeTab(notebook.uri);
    await settle();
    expect(editor.numShown()).toEqual(shown);
    editor.closeTab(notebook.uri);
    editor.configure({});
    await settle();
    expect(editor.numShown()).toEqual({});
    editor.openTab(notebook.uri);
    await settle();
    expect(editor.numShown()).toEqual(shown);
  });

  it('shows what the workspace command found in a notebook without a tab', async () => {
    disk.set('/w/n.ipynb', 'bad');
    const notebook = editor.openNotebook('/w/n.ipynb', ['bad']);
    await settle();
    await controller.scan(uriOf(notebook.uri));
    expect(editor.numShown()).toEqual({ 'vscode-notebook-cell:/w/n.ipynb#0': 1 });
    editor.closeTab(notebook.uri);
    await settle();
    expect(editor.numShown()).toEqual({ 'file:/w/n.ipynb': 1 });
  });

  it('shows nothing while it is off, and fixes nothing on save', async () => {
    const document = editor.open('/w/a.py', 'bad');
    const actions = new LintCodeActions(controller, worker);
    const onSave = async (): Promise<readonly string[]> => {
      const context = { only: editor.api.CodeActionKind.SourceFixAll.append('glm'), diagnostics: [] };
      const found = await actions.provideCodeActions(...([{ ...document, positionAt: (offset: number) => offset }, undefined, context] as unknown as Parameters<typeof actions.provideCodeActions>));
      return found.map(({ title }) => title);
    };
    await settle();
    expect(await onSave()).toEqual(['Fix all GLM problems in this file']);
    editor.configure({ enabled: false });
    await settle();
    expect(editor.numShown()).toEqual({});
    expect(await onSave()).toEqual([]);
    editor.configure({});
    await settle();
    expect(editor.numShown()).toEqual({ 'file:/w/a.py': 1 });
  });
});

describe('[tool.glm] of the nearest pyproject.toml', () => {
  /** Severities of what is shown, by address. */
  const severities = (): Readonly<Record<string, readonly unknown[]>> =>
    Object.fromEntries([...editor.shown].filter(([, findings]) => findings.length > 0).map(([uri, findings]) => [uri, findings.map((finding) => (finding as { severity: unknown }).severity)]));
  const write = (path: string, text: string): void => {
    editor.readable.set(path, text);
    editor.diskChanged.fire(fakeUri(path));
  };

  it('holds for documents, unsaved texts, notebooks, fixes on save and the files of the workspace', async () => {
    editor.readable.set('/w/pyproject.toml', '[tool.glm]\nignore = ["GLM1"]\n');
    disk.set('/w/c.py', 'bad');
    const document = editor.open('/w/sub/a.py', 'bad');
    editor.open('untitled:Untitled-1', 'bad');
    editor.open('/elsewhere/a.py', 'bad');
    editor.openNotebook('/w/n.ipynb', ['bad']);
    await settle();
    expect(await controller.scan(uriOf(fakeUri('/w/c.py')))).toBe(0);
    expect(editor.numShown()).toEqual({ 'file:/elsewhere/a.py': 1 });
    expect((await controller.settingsOf(uriOf(document.uri))).severity).toMatchObject({ GLM101: 'off', GLM201: expect.not.stringMatching('off') as string });
  });

  it('takes the nearest file that has the table', async () => {
    editor.readable.set('/w/pyproject.toml', '[tool.glm.severity]\nGLM101 = "hint"\n');
    editor.readable.set('/w/near/pyproject.toml', '[tool.glm.severity]\nGLM101 = "error"\n');
    editor.readable.set('/w/other/pyproject.toml', '[tool.ruff]\n');
    ['/w/near/a.py', '/w/other/deep/b.py', '/w/c.py'].forEach((path) => editor.open(path, 'bad'));
    await settle();
    expect(severities()).toEqual({ 'file:/w/near/a.py': [0], 'file:/w/other/deep/b.py': [3], 'file:/w/c.py': [3] });
  });

  it.each(['ignore = ["GLM101"]', 'select = ["GLM2"]', 'severity = { inputs-not-on-model-device = "off" }'])('gives way to what the editor sets for a rule: %s', async (line) => {
    editor.readable.set('/w/pyproject.toml', `[tool.glm]\n${line}\n`);
    editor.open('/w/a.py', 'bad');
    await settle();
    expect(severities()).toEqual({});
    editor.configure({ rules: { 'inputs-not-on-model-device': 'error' } });
    await settle();
    expect(severities()).toEqual({ 'file:/w/a.py': [0] });
  });

  it('leaves out what is excluded, seen from the folder of the file and not from above it', async () => {
    editor.readable.set('/w/lib/pyproject.toml', '[tool.glm]\nexclude = ["third_party/**", "gen_*.py", "lib", "/w/lib/whole.py"]\n');
    ['/w/lib/a.py', '/w/lib/third_party/b.py', '/w/lib/x/gen_c.py', '/w/lib/whole.py', '/w/lib/x/lib/d.py'].forEach((path) => editor.open(path, 'bad'));
    await settle();
    expect(Object.keys(severities())).toEqual(['file:/w/lib/a.py']);
  });

  it('is read again when it changes, comes and goes, also above the workspace', async () => {
    disk.set('/w/checked.py', 'bad');
    await controller.scan(uriOf(fakeUri('/w/checked.py')));
    editor.open('/w/a.py', 'bad');
    await settle();
    expect(Object.keys(severities())).toHaveLength(2);
    editor.readable.set('/pyproject.toml', '[tool.glm]\nignore = ["ALL"]\n');
    editor.saved.fire({ uri: fakeUri('/pyproject.toml') });
    await settle();
    expect(severities()).toEqual({});
    expect(editor.watched).toContainEqual(expect.objectContaining({ pattern: 'pyproject.toml' }));
    write('/pyproject.toml', '[tool.glm.severity]\nGLM101 = "hint"\n');
    await settle();
    expect(Object.values(severities())).toEqual([[3], [3]]);
    editor.readable.clear();
    editor.diskDeleted.fire(fakeUri('/pyproject.toml'));
    await settle();
    expect(Object.values(severities())).toEqual([[1], [1]]);
  });

  it.each([
    ['[tool.ruff]\n\n[tool.glm\n', 'TOML', 2],
    ['[tool.ruff]\n[tool.glm]\nselct = []\n', 'selct', 1],
    ['[tool]\nglm = { severity = { GLM101 = "loud" } }\n', 'GLM101', 0],
  ])('tells a damaged one once, where it is written, and goes on without it: %j', async (text, named, line) => {
    editor.readable.set('/w/pyproject.toml', text);
    ['/w/a.py', '/w/b.py', '/w/sub/c.py'].forEach((path) => editor.open(path, 'bad'));
    await settle();
    expect(Object.keys(severities())).toHaveLength(3);
    expect(logged.filter((message) => message.includes('pyproject.toml'))).toEqual([expect.stringContaining(named)]);
    expect([...editor.otherProblems]).toEqual([['file:/w/pyproject.toml', [expect.objectContaining({ message: expect.stringContaining(named) as string, range: expect.objectContaining({ start: expect.objectContaining({ line }) as object }) as object })]]]);
    write('/w/pyproject.toml', '[tool.glm]\nignore = ["ALL"]\n');
    await settle();
    expect(severities()).toEqual({});
    expect(logged).toHaveLength(1);
    expect(editor.otherProblems.size).toBe(0);
  });
});

describe('GLM: Check Python Files in Workspace', () => {
  const check = async (): Promise<string> => {
    // Not through the command: modules are shared with other test files, and that one may hold their editor.
    const report = ({ message }: { readonly message?: string }): void => void editor.progress.push(message ?? '');
    await lintWorkspace(controller, log, { report }, { isCancellationRequested: false } as Parameters<typeof lintWorkspace>[3]);
    return editor.messages.at(-1) ?? '';
  };

  it('counts every finding, though files are looked at several at once', async () => {
    editor.files = Array.from({ length: 50 }, (_, index) => fakeUri(`/w/f${index}.py`));
    editor.files.forEach(({ path }) => disk.set(path, 'bad bad'));
    expect(await check()).toBe('100 problems in 50 Python files.');
    expect(Object.values(editor.numShown())).toHaveLength(50);
    expect(editor.progress.at(-1)).toBe('50 of 50, 100 found');
  });

  it('says what it cannot look at', async () => {
    editor.files = [fakeUri('/w/a.py'), fakeUri('vscode-vfs:/b.py')];
    disk.set('/w/a.py', 'bad');
    expect(await check()).toBe('1 problem in 1 Python file. 1 file of a virtual folder can be checked only while open.');
    editor.files = [];
    expect(await check()).toBe('There are no Python files to check.');
  });
});

describe('the pages of the rules', () => {
  it('open in the language of the editor, and each links to the other', () => {
    registerRulePages();
    const text = (path: string): string => editor.pages[0]?.provideTextDocumentContent(fakeUri(`glm-rule:${path}`)) ?? '';
    editor.env.language = 'zh-cn';
    expect(rulePageUri('GLM101').path).toBe('/GLM101.zh-CN.md');
    expect(text('/GLM101.zh-CN.md')).toContain('[English](GLM101.md)');
    expect(text('/GLM101.md')).toContain('[中文](GLM101.zh-CN.md)');
    expect(text(rulePageUri(undefined).path)).toContain('GLM101.zh-CN.md');
    editor.env.language = 'en';
    expect(rulePageUri('GLM101').path).toBe('/GLM101.md');
  });
});
