import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { AlignmentMessage } from '../../../../src/common/alignment';
import { cpuDevice, deviceId } from '../../../../src/common/deviceId';
import { Emitter } from '../../../../src/extension/emitter';
import { registerAlignmentProblems } from '../../../../src/extension/alignment/alignmentProblems';
import { registerFixAlignment } from '../../../../src/extension/commands/fixAlignment';

interface Shown {
  readonly range: { readonly start: number; readonly column: number };
  readonly message: string;
  readonly code: { readonly value: string };
}

/** As much of the editor as these two files use. */
const editor = vi.hoisted(() => ({
  files: new Map<string, string>(),
  problems: new Map<string, readonly Shown[]>(),
  workspaceFile: undefined as unknown,
  actions: undefined as undefined | { provideCodeActions(document: unknown, range: unknown): readonly { title: string; command: { command: string; arguments: unknown[] }; isPreferred: boolean }[] },
  settings: {} as Record<string, unknown>,
  inWorkspace: new Set<string>(),
  written: [] as string[],
  commands: new Map<string, (...args: unknown[]) => Promise<unknown>>(),
}));

vi.mock('vscode', () => {
  const uriOf = (path: string) => ({ path, fsPath: path, scheme: 'file', toString: () => path });
  class Disposable {
    constructor(readonly dispose: () => void) {}
    static from = () => new Disposable(() => undefined);
  }
  return {
    Disposable,
    ConfigurationTarget: { Global: 'user', Workspace: 'workspace' },
    DiagnosticSeverity: { Warning: 1 },
    CodeActionKind: { QuickFix: 'quickfix' },
    CodeAction: class {
      constructor(readonly title: string) {}
    },
    Range: class {
      constructor(readonly start: number, readonly column: number) {}
      intersection = () => this;
    },
    Diagnostic: class {
      constructor(readonly range: unknown, readonly message: string) {}
    },
    Uri: { file: uriOf, parse: uriOf, joinPath: (base: { path: string }, ...parts: string[]) => uriOf([base.path, ...parts].join('/')) },
    languages: {
      createDiagnosticCollection: () => ({
        clear: () => editor.problems.clear(),
        set: (uri: { path: string }, diagnostics: readonly Shown[]) => editor.problems.set(uri.path, diagnostics),
        get: (uri: { path: string }) => editor.problems.get(uri.path),
        dispose: () => undefined,
      }),
      registerCodeActionsProvider: (_: unknown, provider: typeof editor.actions) => {
        editor.actions = provider;
        return new Disposable(() => undefined);
      },
    },
    commands: { registerCommand: (id: string, run: (...args: unknown[]) => Promise<unknown>) => (editor.commands.set(id, run), new Disposable(() => undefined)) },
    window: { showErrorMessage: () => Promise.resolve(undefined) },
    workspace: {
      workspaceFolders: [{ uri: uriOf('/project') }],
      get workspaceFile() {
        return editor.workspaceFile;
      },
      fs: {
        readFile: ({ path }: { path: string }) => {
          const text = editor.files.get(path);
          return text === undefined ? Promise.reject(new Error('no such file')) : Promise.resolve(new TextEncoder().encode(text));
        },
      },
      getConfiguration: () => ({
        inspect: (name: string) => ({ workspaceValue: editor.inWorkspace.has(name) ? editor.settings[name] : undefined }),
        update: (name: string, value: unknown, target: string) => Promise.resolve(void editor.written.push(`${name}=${String(value)} ${target}`)),
      }),
    },
  };
});

const stageOnCpu: AlignmentMessage = {
  kind: 'stage-on-cpu',
  key: 's',
  message: '2 layers are on cpu',
  state: 'found',
  tensorDevice: cpuDevice,
  consumerDevice: deviceId('cuda', 0),
  next: [{ label: 'Use device map "auto"', command: 'glm.fixAlignment', args: ['deviceMap'] }],
};
const idsOnCpu: AlignmentMessage = { kind: 'host-bound-inputs', key: 'i', message: 'input_ids is on cpu', state: 'found', next: [{ label: 'Keep input_ids on cuda:0', command: 'glm.fixAlignment' }] };

function open(deviceMap: unknown = { kind: 'auto' }) {
  const model = {
    onAlignment: new Emitter<readonly AlignmentMessage[]>(),
    onState: new Emitter<{ readonly kind: string }>(),
    alignmentMessages: [],
    engineState: { kind: 'ready', options: { deviceMap }, model: { description: { folder: '/models/glm' } } },
    reload: vi.fn(() => Promise.resolve()),
  };
  const ctx = { model, log: { log: () => undefined } } as never;
  registerAlignmentProblems(ctx);
  registerFixAlignment(ctx);
  const show = async (...messages: AlignmentMessage[]): Promise<Readonly<Record<string, readonly (readonly [number, string])[]>>> => {
    model.onAlignment.fire(messages);
    await new Promise((resolve) => setTimeout(resolve, 5));
    return Object.fromEntries([...editor.problems].map(([path, shown]) => [path, shown.map(({ range, message }) => [range.start, message] as const)]));
  };
  return { model, show };
}

beforeEach(() => {
  editor.files.clear();
  editor.problems.clear();
  editor.workspaceFile = undefined;
  editor.inWorkspace.clear();
  editor.written = [];
});

describe('misalignments in the Problems pane', () => {
  it('are shown at the entry of the device-map file that causes them', async () => {
    editor.files.set('/project/maps/two.json', '{\n  "model.layers.0-1": 0,\n  "model.layers.2-3": "cpu"\n}');
    // The setting names the file; the file's entry is nearer to the cause.
    editor.files.set('/project/.vscode/settings.json', '{ "glm.deviceMap": "maps/two.json",\n "glm.deviceAlignment": "warn" }');
    const { show } = open({ kind: 'map', map: {}, file: '/project/maps/two.json' });
    expect(await show(stageOnCpu, idsOnCpu)).toEqual({ '/project/maps/two.json': [[2, '2 layers are on cpu']], '/project/.vscode/settings.json': [[1, 'input_ids is on cpu']] });
  });

  it('are shown at the line of the workspace, also where that is a file of its own', async () => {
    editor.workspaceFile = { path: '/project/my.code-workspace', scheme: 'file', toString: () => '/project/my.code-workspace' };
    editor.files.set('/project/my.code-workspace', '{"folders": [],\n"settings": {\n"glm.deviceMap": {"model": "cpu"} } }');
    expect(await open().show(stageOnCpu)).toEqual({ '/project/my.code-workspace': [[2, '2 layers are on cpu']] });
  });

  it("are shown at the model's config.json, with a link to the setting, where the user's own settings decide", async () => {
    expect(await open().show(idsOnCpu)).toEqual({ '/models/glm/config.json': [[0, 'input_ids is on cpu']] });
    expect(editor.problems.get('/models/glm/config.json')?.[0]?.code.value).toBe('glm.deviceAlignment');
  });

  it('go when they are put right or their cause is gone, and with the model', async () => {
    const { show, model } = open();
    await show(idsOnCpu);
    expect(await show({ ...idsOnCpu, state: 'fixed' })).toEqual({});
    await show(idsOnCpu);
    expect(await show()).toEqual({});
    await show(idsOnCpu);
    model.onState.fire({ kind: 'none' });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(editor.problems.size).toBe(0);
  });

  it('are joined by what let no model load: the entry of the map, or the setting that cannot be understood', async () => {
    editor.files.set('/project/maps/two.json', '{\n  "": "cuda:0",\n  "model.layers.99": "cpu"\n}');
    editor.files.set('/project/.vscode/settings.json', '{ "glm.deviceMap": "maps/two.json",\n "glm.maxMemory": {"cuda:0": "much"} }');
    const { model } = open({ kind: 'map', map: {}, file: '/project/maps/two.json' });
    const fail = async (code: string, fields: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, readonly number[]>>> => {
      Object.assign(model.engineState, { kind: 'failed' });
      Object.assign(model, { refusedSettings: code === 'bad-setting' ? new Error(code) : undefined });
      model.onState.fire({ kind: 'failed', error: { code, message: code, fields, next: [{ label: 'Use the device map "auto"', command: 'glm.fixAlignment', args: ['deviceMap'] }] } } as never);
      await new Promise((resolve) => setTimeout(resolve, 5));
      return Object.fromEntries([...editor.problems].map(([path, shown]) => [path, shown.map(({ range }) => range.start)]));
    };
    expect(await fail('device-map-invalid', { entry: 'model.layers.99' })).toEqual({ '/project/maps/two.json': [2] });
    expect(editor.actions?.provideCodeActions({ uri: { path: '/project/maps/two.json' } }, {}).map(({ title }) => title)).toEqual(['Use the device map "auto"']);
    expect(await fail('bad-setting', { setting: 'glm.maxMemory' })).toEqual({ '/project/.vscode/settings.json': [1] });
    expect(await fail('bad-setting', { setting: 'glm.deviceMap' })).toEqual({ '/project/.vscode/settings.json': [0] });
    expect(await fail('out-of-memory', {})).toEqual({});
  });

  it('offer the fix as a quick fix, which writes the setting that was wrong and loads again', async () => {
    const { show, model } = open();
    await show(stageOnCpu, idsOnCpu);
    const actions = editor.actions?.provideCodeActions({ uri: { path: '/models/glm/config.json' } }, {}) ?? [];
    expect(actions.map(({ title, command, isPreferred }) => [title, command.command, command.arguments, isPreferred])).toEqual([
      ['Use device map "auto"', 'glm.fixAlignment', ['deviceMap'], true],
      ['Keep input_ids on cuda:0', 'glm.fixAlignment', [], true],
    ]);
    editor.inWorkspace.add('deviceMap');
    editor.settings = { deviceMap: { model: 'cpu' } };
    for (const { command } of actions) {
      await editor.commands.get(command.command)?.(...command.arguments);
    }
    expect(editor.written).toEqual(['deviceMap=auto workspace', 'deviceAlignment=autoFix user']);
    expect(model.reload).toHaveBeenCalledTimes(2);
  });
});
