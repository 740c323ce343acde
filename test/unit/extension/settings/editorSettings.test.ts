import { beforeEach, describe, expect, it, vi } from 'vitest';
import { EditorSettings } from '../../../../src/extension/settings/editorSettings';

/** A configuration whose writes land when the test lets them. */
const editor = vi.hoisted(() => ({
  values: {} as Record<string, unknown>,
  inWorkspace: new Set<string>(),
  written: [] as string[],
  pending: [] as (() => void)[],
}));

vi.mock('vscode', () => ({
  ConfigurationTarget: { Global: 1, Workspace: 2 },
  workspace: {
    onDidChangeConfiguration: () => ({ dispose: () => undefined }),
    getConfiguration: () => ({
      get: (name: string) => editor.values[name],
      inspect: (name: string) => ({ workspaceValue: editor.inWorkspace.has(name) ? editor.values[name] : undefined }),
      update: (name: string, value: unknown, target: number) =>
        new Promise<void>((resolve) =>
          editor.pending.push(() => {
            editor.values[name] = value;
            editor.written.push(`${name}=${JSON.stringify(value)} ${target === 2 ? 'workspace' : 'user'}`);
            resolve();
          }),
        ),
    }),
  },
}));

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function landAll(): Promise<void> {
  await settle();
  while (editor.pending.length > 0) {
    editor.pending.shift()?.();
    await settle();
  }
}

function makeSettings(): EditorSettings {
  const memory = new Map<string, unknown>();
  return new EditorSettings({ keys: () => [...memory.keys()], get: (key: string) => memory.get(key), update: (key: string, value: unknown) => (memory.set(key, value), Promise.resolve()) } as never);
}

beforeEach(() => {
  editor.values = {};
  editor.inWorkspace.clear();
  editor.written = [];
  editor.pending = [];
});

describe('EditorSettings', () => {
  it('gives load options that a message to the engine can carry, though the editor hands out its objects as proxies', () => {
    const proxied = <T extends object>(target: T): T => new Proxy(target, {});
    editor.values = { deviceMap: proxied({ '': 'webgpu:0', 'model.layers.1': 'cpu' }), maxMemory: proxied({ 0: '20GiB' }), includeDevices: proxied(['cuda:0']), stopStrings: proxied(['END']) };
    const settings = makeSettings();
    expect(structuredClone(settings.loadOptions('m'))).toMatchObject({ deviceMap: { kind: 'map', map: { '': 'webgpu:0', 'model.layers.1': 'cpu' } }, maxMemoryBytes: { 'cuda:0': 20 * 1024 ** 3 }, includeDevices: ['cuda:0'] });
    expect(structuredClone(settings.current).options.stopStrings).toEqual(['END']);
  });

  it('lets a change hold before the editor has written it', async () => {
    const settings = makeSettings();
    let changes = 0;
    settings.onChange.on(() => (changes += 1));
    const options = settings.read().options;
    void settings.write({ systemPrompt: 'Be brief.', options: { ...options, maxNewTokens: 7 } });
    expect(settings.read()).toMatchObject({ systemPrompt: 'Be brief.', options: { maxNewTokens: 7 } });
    expect(changes).toBe(1);
    await landAll();
    expect(settings.read()).toMatchObject({ systemPrompt: 'Be brief.', options: { maxNewTokens: 7 } });
    expect(editor.written).toEqual(['systemPrompt="Be brief." user', 'maxNewTokens=7 user']);
  });

  it('writes only what differs, one after the other, and the last change wins', async () => {
    const settings = makeSettings();
    const options = settings.read().options;
    void settings.write({ options: { ...options, temperature: 0.5 } });
    void settings.write({ options: { ...settings.read().options, temperature: 0.9 } });
    await landAll();
    expect(editor.written).toEqual(['sampling.temperature=0.5 user', 'sampling.temperature=0.9 user']);
    expect(settings.read().options.temperature).toBe(0.9);
  });

  it('writes to the workspace where that overrides the user, and clears a seed with null', async () => {
    const settings = makeSettings();
    editor.values = { 'sampling.seed': 3 };
    editor.inWorkspace.add('sampling.seed');
    void settings.write({ options: { ...settings.read().options, seed: undefined } });
    expect(settings.read().options.seed).toBeUndefined();
    await landAll();
    expect(editor.written).toEqual(['sampling.seed=null workspace']);
  });

  it('keeps the mode for this workspace, outside the settings files', async () => {
    const settings = makeSettings();
    await settings.write({ mode: 'completion' });
    expect(settings.read().mode).toBe('completion');
    expect(editor.written).toEqual([]);
  });
});
