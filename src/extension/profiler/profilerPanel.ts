/** The profiler's editor panel: one per window. While it is open, readings and answers are recorded; closing it ends that. */

import { randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import * as vscode from 'vscode';
import type { Profile } from '../../common/profile';
import type { ProfilerViewContract } from '../../common/protocol/profilerView';
import { isRpcMessage, RpcServer } from '../../common/protocol/rpc';
import { hints } from '../../profiling/hints';
import { summarizeProfile } from '../../profiling/summarizeProfile';
import { chatViewHtml } from '../view/chatViewHtml';
import { createProfilerHandlers, stateOf, type ProfilerActions, type ShownProfile } from './profilerHandlers';
import type { ProfilerService } from './profilerService';

export const profilerPanelType = 'glm.profiler';

export class ProfilerPanel implements vscode.Disposable {
  private open: { readonly panel: vscode.WebviewPanel; readonly server: RpcServer<ProfilerViewContract> } | undefined;
  private readonly shown: ShownProfile = {};

  constructor(
    private readonly extensionUri: vscode.Uri,
    private readonly service: ProfilerService,
  ) {}

  /** Brings the panel to the front, or makes it. */
  show(): void {
    if (this.open === undefined) {
      this.fill(vscode.window.createWebviewPanel(profilerPanelType, 'GLM Profiler', vscode.ViewColumn.Active, {}));
    } else {
      this.open.panel.reveal(undefined, false);
    }
  }

  /** After the window was reloaded. What was recorded is gone with the engine that it was recorded of. */
  restore(panel: vscode.WebviewPanel): void {
    if (this.open === undefined) {
      this.fill(panel);
    } else {
      panel.dispose();
    }
  }

  showSaved(name: string, profile: Profile): void {
    this.shown.saved = { name, profile, summary: summarizeProfile(profile) };
    this.show();
    this.tellState();
  }

  showLive(): void {
    this.shown.saved = undefined;
    this.show();
    this.tellState();
  }

  dispose(): void {
    this.open?.panel.dispose();
  }

  private tellState(): void {
    this.open?.server.emit('state', stateOf(this.shown, this.service));
  }

  private fill(panel: vscode.WebviewPanel): void {
    const scripts = vscode.Uri.joinPath(this.extensionUri, 'dist', 'webview');
    panel.webview.options = { enableScripts: true, localResourceRoots: [scripts] };
    panel.iconPath = vscode.Uri.joinPath(this.extensionUri, 'media', 'glm.svg');
    const { service, shown } = this;
    service.start();
    const server = new RpcServer<ProfilerViewContract>((message) => void panel.webview.postMessage(message), createProfilerHandlers(shown, service, editorProfilerActions));
    const endings = [
      service.onSample.on((sample) => server.emit('telemetry-sample', sample)),
      service.onMemory.on((reading) => server.emit('engine-memory', reading)),
      service.onSpeed.on((point) => server.emit('speed', point)),
      service.onGeneration.on((generation) => server.emit('generation', { generation, hints: hints(service.profile()) })),
      service.onModel.on((model) => server.emit('model', model)),
      service.onWorking.on((text) => server.emit('working', text === undefined ? {} : { text })),
      service.onMeasured.on(() => shown.saved === undefined && this.tellState()),
    ];
    panel.webview.onDidReceiveMessage((message: unknown) => {
      if (isRpcMessage(message)) {
        server.receive(message);
      }
    });
    panel.onDidDispose(() => {
      endings.forEach((end) => end());
      server.abortAll();
      this.open = undefined;
      shown.saved = undefined;
      service.end();
    });
    panel.webview.html = chatViewHtml({
      cspSource: panel.webview.cspSource,
      scriptUri: panel.webview.asWebviewUri(vscode.Uri.joinPath(scripts, 'profiler.js')).toString(),
      nonce: randomBytes(18).toString('base64url'),
      title: 'GLM Profiler',
    });
    this.open = { panel, server };
  }
}

const editorProfilerActions: ProfilerActions = {
  saveFile: async (suggestedName, { label, extension }, pieces) => {
    const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
    const target = await vscode.window.showSaveDialog({ title: `GLM: Save ${label}`, filters: { [label]: [extension] }, ...(folder === undefined ? {} : { defaultUri: vscode.Uri.joinPath(folder, suggestedName) }) });
    if (target === undefined) {
      return undefined;
    }
    await vscode.workspace.fs.writeFile(target, Buffer.concat(Array.from(pieces, (piece) => Buffer.from(piece, 'utf8'))));
    return basename(target.path);
  },
  runCommand: async (command) => void (await vscode.commands.executeCommand(command)),
};
