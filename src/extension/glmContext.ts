/** Everything the extension owns while it is active: services, the view and their wiring. Ends what it began. */

import { randomUUID } from 'node:crypto';
import * as vscode from 'vscode';
import type { AlignmentCosts } from '../common/alignment';
import type { LoadOptions } from '../common/protocol/engine';
import type { ModelChoice } from '../common/protocol/webview';
import { cudaInstallFolder, EngineSupervisor, startEngine, startMonitor, type EngineClient } from '../engine/client';
import { ChatSession } from './chat/chatSession';
import { ConversationStore } from './chat/conversationStore';
import { OpenConversation } from './chat/openConversation';
import { CudaRuntime } from '../cuda/setup/cudaRuntime';
import { DeviceService } from './devices/deviceService';
import { ReportDocuments } from './diagnose/reportDocument';
import { editorActions } from './editorActions';
import { HostLog } from './log/hostLog';
import { findEmbeddedModel } from './model/embeddedModel';
import { ModelChoices } from './model/modelChoices';
import { ModelService } from './model/modelService';
import { EditorSettings } from './settings/editorSettings';
import { ChatViewProvider } from './view/chatViewProvider';
import { createViewHandlers } from './view/viewHandlers';

export class GlmContext implements vscode.Disposable {
  readonly channel: vscode.LogOutputChannel;
  readonly log: HostLog;
  readonly settings: EditorSettings;
  readonly choices: ModelChoices;
  readonly cuda: CudaRuntime;
  /** Where CUDA downloads are installed. */
  readonly cudaFolder = cudaInstallFolder(process.env);
  readonly model: ModelService;
  readonly devices: DeviceService;
  readonly chat: ChatSession;
  readonly view: ChatViewProvider;
  readonly reports = new ReportDocuments();
  /** Elapsed while the bundle was evaluated and `activate` ran. */
  activationMs: number | undefined;

  private readonly supervisor: EngineSupervisor;
  private readonly store: ConversationStore;
  private readonly owned: vscode.Disposable[] = [];
  /** For the loader path of the next engine. */
  private libraryFolders: readonly string[] = [];

  constructor(readonly extension: vscode.ExtensionContext) {
    this.channel = vscode.window.createOutputChannel('GLM Local', { log: true });
    this.log = new HostLog(this.channel);
    this.settings = new EditorSettings(extension.workspaceState);
    this.choices = new ModelChoices(extension.globalState, findEmbeddedModel(extension.extensionPath), () => this.settings.current.model);
    this.cuda = new CudaRuntime({
      log: this.log,
      installRoot: this.cudaFolder,
      extensionFolder: extension.extensionPath,
      extraFolders: () => this.settings.current.cudaLibraryFolders,
      workspaceFolders: () => (vscode.workspace.isTrusted ? (vscode.workspace.workspaceFolders ?? []).map((folder) => folder.uri.fsPath) : []),
      driverVersion: () => this.devices.devices.find((device) => device.kind === 'cuda')?.driverVersion,
    });
    this.supervisor = new EngineSupervisor({ start: () => this.startEngine(), log: this.log });
    this.model = new ModelService({
      supervisor: this.supervisor,
      log: this.log,
      readLoadOptions: (source) => this.loadOptions(source),
      defaultSource: () => this.choices.defaultSource,
      rememberSource: (source) => this.choices.remember(source),
    });
    this.devices = new DeviceService({
      start: () => startMonitor({ monitorPath: this.bundle('monitor.js'), log: this.log }),
      log: this.log,
      intervalMs: () => this.settings.current.telemetryIntervalMs,
      ownPids: () => (this.model.enginePid === undefined ? [] : [this.model.enginePid]),
    });
    this.store = new ConversationStore(vscode.Uri.joinPath(extension.globalStorageUri, 'conversations').fsPath, this.log);
    // Of the workspace, or of all windows without one.
    const opened = new OpenConversation(vscode.Uri.joinPath(extension.storageUri ?? extension.globalStorageUri, 'open-conversation.json').fsPath, this.log);
    this.chat = new ChatSession({
      store: this.store,
      model: this.model,
      log: this.log,
      readSettings: () => this.settings.read(),
      maxConversations: () => this.settings.current.maxConversations,
      opened,
      newId: randomUUID,
    });
    const restored = this.chat.restore().catch((error: unknown) => {
      this.log.log('error', 'history', `The last conversation could not be opened: ${String(error)}`);
    });
    this.view = new ChatViewProvider(
      extension.extensionUri,
      createViewHandlers({
        chat: this.chat,
        model: this.model,
        devices: this.devices,
        settings: this.settings,
        choices: () => this.choices.list,
        editor: editorActions,
      }),
      restored,
    );
    this.own(this.settings, this.view, this.reports, this.channel);
    this.wire();
  }

  /** Disposed with the extension, in the order given. */
  own(...items: readonly (vscode.Disposable | (() => void))[]): void {
    this.owned.push(...items.map((item) => (typeof item === 'function' ? new vscode.Disposable(item) : item)));
  }

  /** An engine process of its own, for lists and plans; whoever asked ends it. */
  startEngine(): EngineClient {
    return startEngine({ workerPath: this.bundle('engineWorker.js'), libraryFolders: this.libraryFolders, log: this.log });
  }

  /** What the settings ask for, with the CUDA runtime where one is found and wanted. @throws {GlmError} `bad-setting`. */
  async loadOptions(source: string): Promise<LoadOptions> {
    const options = this.settings.loadOptions(source);
    const wantsCuda = (options.provider === 'auto' || options.provider === 'cuda') && options.ortLibrary === undefined;
    const runtime = wantsCuda ? await this.cuda.prepare() : undefined;
    this.libraryFolders = [...this.settings.current.cudaLibraryFolders, ...(runtime?.libraryFolders ?? [])];
    const alignmentCostsMs = this.extension.globalState.get<AlignmentCosts>(alignmentCostsKey(options));
    return { ...options, ...(runtime === undefined ? {} : { ortLibrary: runtime.ortLibrary }), ...(alignmentCostsMs === undefined ? {} : { alignmentCostsMs }) };
  }

  /** Messages of later loads of the same model in the same form tell these costs. */
  async rememberAlignmentCosts(options: LoadOptions, costs: AlignmentCosts): Promise<void> {
    await this.extension.globalState.update(alignmentCostsKey(options), costs);
  }

  dispose(): void {
    this.owned.splice(0).forEach((item) => item.dispose());
  }

  /** Saves what streams and ends the children; the editor waits for it when it closes. */
  async shutDown(): Promise<void> {
    this.dispose();
    await Promise.all([this.chat.dispose(), this.devices.dispose(), this.model.dispose()]);
  }

  private wire(): void {
    const { chat, model, devices, view, settings, choices } = this;
    this.own(
      chat.onConversation.on((payload) => view.emit('conversation', payload)),
      chat.onDelta.on((payload) => view.emit('answer-delta', payload)),
      chat.onGeneration.on((payload) => view.emit('generation-state', payload)),
      chat.onGeneration.on((state) => void setContext('glm.answering', state !== undefined)),
      chat.onTurnFinished.on((payload) => view.emit('turn-finished', payload)),
      chat.onAttachments.on((payload) => view.emit('attachments', payload)),
      chat.onContextUsed.on((tokens) => view.emit('context-used', { tokens })),
      model.onState.on((payload) => view.emit('model-state', payload)),
      model.onState.on((state) => void setContext('glm.modelState', state.kind)),
      model.onState.on((state) => state.kind !== 'loading' && devices.apply()),
      model.onMemory.on((payload) => view.emit('engine-memory', payload)),
      model.onAlignment.on((payload) => view.emit('alignment-messages', payload)),
      devices.onDevices.on((payload) => view.emit('devices', payload)),
      devices.onSample.on((payload) => view.emit('telemetry-sample', payload)),
      choices.onChange.on((payload: readonly ModelChoice[]) => view.emit('choices', payload)),
      settings.onChange.on(() => this.applySettings()),
      view.onVisible.on((visible) => this.onViewVisible(visible)),
    );
    this.applySettings();
  }

  private applySettings(): void {
    const { idleUnloadMs, restartOnce } = this.settings.current;
    this.supervisor.configure({ idleUnloadMs, restartOnce });
    this.cuda.reset();
    this.devices.apply();
    this.view.emit('settings', this.settings.read());
  }

  private stopWatching: (() => void) | undefined;
  private hasAutoLoaded = false;

  private onViewVisible(visible: boolean): void {
    if (!visible) {
      this.stopWatching?.();
      this.stopWatching = undefined;
      return;
    }
    this.stopWatching ??= this.devices.watch();
    if (!this.hasAutoLoaded && this.model.state.kind === 'none') {
      this.hasAutoLoaded = true;
      const { autoLoad } = this.settings.current;
      const source = this.choices.defaultSource;
      if (source !== undefined && (autoLoad === 'always' || (autoLoad === 'demoOnly' && this.choices.isDemo(source)))) {
        // A failure shows in the view's model state.
        this.model.load(source).catch(() => undefined);
      }
    }
  }

  private bundle(name: string): string {
    return vscode.Uri.joinPath(this.extension.extensionUri, 'dist', name).fsPath;
  }
}

function alignmentCostsKey({ source, provider, weights }: LoadOptions): string {
  return `glm.alignmentCosts:${source}|${provider}|${weights}`;
}

function setContext(key: string, value: unknown): Thenable<unknown> {
  return vscode.commands.executeCommand('setContext', key, value);
}
