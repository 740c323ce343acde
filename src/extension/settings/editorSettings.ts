/** Reads and writes the settings under `glm.` in the editor's configuration. */

import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import * as vscode from 'vscode';
import { expandHome } from '../../common/homePath';
import type { LoadOptions } from '../../common/protocol/engine';
import type { ChatSettings, ChatSettingsChange } from '../../common/protocol/webview';
import type { GenerationOptions } from '../../common/sampling';
import { defaultCacheFolder } from '../../engine/client';
import { Emitter } from '../emitter';
import type { ChatSettingsAccess } from '../view/viewHandlers';
import { optionSettingNames, readLoadOptions, readSettings, type Settings } from './settings';

const modeKey = 'glm.chatMode';

export class EditorSettings implements ChatSettingsAccess, vscode.Disposable {
  readonly onChange = new Emitter<void>();
  private readonly subscription: vscode.Disposable;
  /** What was changed in the view and is not in a settings file yet. */
  private unwritten: { readonly systemPrompt?: string; readonly options?: Partial<GenerationOptions> } = {};
  private writing: Promise<void> = Promise.resolve();
  private numWriting = 0;

  constructor(private readonly memory: vscode.Memento) {
    this.subscription = vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration('glm')) {
        this.onChange.fire();
      }
    });
  }

  get current(): Settings {
    return readSettings(readOne);
  }

  /** @throws {GlmError} `bad-setting`. */
  loadOptions(source: string): LoadOptions {
    return readLoadOptions(readOne, source, defaultCacheFolder(process.env), readMapFile);
  }

  read(): ChatSettings {
    const { systemPrompt, options } = this.current;
    return {
      systemPrompt: this.unwritten.systemPrompt ?? systemPrompt,
      options: { ...options, ...this.unwritten.options },
      mode: this.memory.get(modeKey) === 'completion' ? 'completion' : 'chat',
    };
  }

  /**
   * Holds at once and for the next question; goes to the user's settings, or to the workspace's where it already overrides them.
   * Writing a settings file takes the editor some tenths of a second, and a question may come sooner.
   */
  async write(change: ChatSettingsChange): Promise<void> {
    const now = this.read();
    if (change.mode !== undefined && change.mode !== now.mode) {
      await this.memory.update(modeKey, change.mode);
    }
    const writes: [string, unknown][] = [];
    if (change.systemPrompt !== undefined && change.systemPrompt !== now.systemPrompt) {
      writes.push(['systemPrompt', change.systemPrompt]);
      this.unwritten = { ...this.unwritten, systemPrompt: change.systemPrompt };
    }
    for (const key of Object.keys(change.options ?? {}) as (keyof GenerationOptions)[]) {
      const value = change.options?.[key] ?? undefined;
      if (JSON.stringify(value) !== JSON.stringify(now.options[key])) {
        writes.push([optionSettingNames[key], value ?? null]);
        this.unwritten = { ...this.unwritten, options: { ...this.unwritten.options, [key]: value } };
      }
    }
    this.onChange.fire();
    this.numWriting += 1;
    this.writing = this.writing.then(async () => {
      for (const [name, value] of writes) {
        await writeOne(name, value);
      }
    });
    try {
      await this.writing;
    } finally {
      this.numWriting -= 1;
      if (this.numWriting === 0) {
        this.unwritten = {};
        this.writing = Promise.resolve();
      }
    }
  }

  dispose(): void {
    this.subscription.dispose();
  }
}

/** A relative path begins at a folder of the workspace, the first that has such a file. */
function readMapFile(given: string): { readonly path: string; readonly text: string } | undefined {
  const name = expandHome(given, homedir());
  const roots = (vscode.workspace.workspaceFolders ?? []).map((folder) => folder.uri.fsPath);
  const path = (isAbsolute(name) ? [name] : roots.map((root) => join(root, name))).find((candidate) => existsSync(candidate));
  return path === undefined ? undefined : { path, text: readFileSync(path, 'utf8') };
}

/** The editor hands out objects as proxies, which no message to another process can carry. */
function readOne(name: string): unknown {
  const value: unknown = vscode.workspace.getConfiguration('glm').get(name);
  return typeof value === 'object' && value !== null ? (JSON.parse(JSON.stringify(value)) as unknown) : value;
}

async function writeOne(name: string, value: unknown): Promise<void> {
  const configuration = vscode.workspace.getConfiguration('glm');
  const inWorkspace = configuration.inspect(name)?.workspaceValue !== undefined;
  await configuration.update(name, value, inWorkspace ? vscode.ConfigurationTarget.Workspace : vscode.ConfigurationTarget.Global);
}
