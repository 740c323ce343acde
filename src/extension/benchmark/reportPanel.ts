/** The editor panel that shows a benchmark report: one per window, which takes the next report when it is open already. */

import { randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import * as vscode from 'vscode';
import type { ReportViewContract } from '../../common/protocol/reportView';
import { isRpcMessage, RpcServer } from '../../common/protocol/rpc';
import { chatViewHtml } from '../view/chatViewHtml';
import { createReportHandlers, type ReportActions, type ShownReport } from './reportHandlers';
import type { ReportStore, StoredReport } from './reportStore';
import { toReportView } from './reportView';

export const panelType = 'glm.benchmarkReport';

interface OpenPanel {
  readonly panel: vscode.WebviewPanel;
  readonly server: RpcServer<ReportViewContract>;
  readonly shown: ShownReport;
}

export class ReportPanels implements vscode.Disposable {
  private open: OpenPanel | undefined;

  constructor(
    private readonly extensionUri: vscode.Uri,
    private readonly store: ReportStore,
  ) {}

  /** Brings a panel back after the window was reloaded, with the report it showed or, when that is gone, the newest. */
  async restore(panel: vscode.WebviewPanel, state: unknown): Promise<void> {
    const id = typeof state === 'object' && state !== null && 'id' in state ? String(state.id) : '';
    const report = await this.store.read(id);
    const stored = report === undefined ? (await this.store.list())[0] : { id, report };
    if (stored === undefined || this.open !== undefined) {
      panel.dispose();
      return;
    }
    this.open = this.fill(panel, stored);
  }

  async show(report: StoredReport): Promise<void> {
    if (this.open === undefined) {
      this.open = this.create(report);
      return;
    }
    const { panel, server, shown } = this.open;
    shown.current = report;
    shown.baselineIndex = 0;
    panel.reveal(undefined, false);
    // A page that is hidden is gone; it asks for the report again when it comes back.
    server.emit('report', toReportView(report, await this.store.list()));
  }

  dispose(): void {
    this.open?.panel.dispose();
  }

  private scripts(): vscode.Uri {
    return vscode.Uri.joinPath(this.extensionUri, 'dist', 'webview');
  }

  private create(report: StoredReport): OpenPanel {
    return this.fill(vscode.window.createWebviewPanel(panelType, 'GLM Benchmark Report', vscode.ViewColumn.Active, {}), report);
  }

  private fill(panel: vscode.WebviewPanel, report: StoredReport): OpenPanel {
    const scripts = this.scripts();
    panel.webview.options = { enableScripts: true, localResourceRoots: [scripts] };
    panel.iconPath = vscode.Uri.joinPath(this.extensionUri, 'media', 'glm.svg');
    const shown: ShownReport = { current: report, baselineIndex: 0 };
    const server = new RpcServer<ReportViewContract>((message) => void panel.webview.postMessage(message), createReportHandlers(shown, this.store, editorReportActions));
    panel.webview.onDidReceiveMessage((message: unknown) => {
      if (isRpcMessage(message)) {
        server.receive(message);
      }
    });
    panel.onDidDispose(() => {
      server.abortAll();
      this.open = undefined;
    });
    panel.webview.html = chatViewHtml({
      cspSource: panel.webview.cspSource,
      scriptUri: panel.webview.asWebviewUri(vscode.Uri.joinPath(scripts, 'report.js')).toString(),
      nonce: randomBytes(18).toString('base64url'),
      title: 'GLM Benchmark Report',
    });
    return { panel, server, shown };
  }
}

const editorReportActions: ReportActions = {
  copyText: async (text) => vscode.env.clipboard.writeText(text),
  saveFile: async (suggestedName, { label, extension }, content) => {
    const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
    const target = await vscode.window.showSaveDialog({ title: `GLM: Save ${label}`, filters: { [label]: [extension] }, ...(folder === undefined ? {} : { defaultUri: vscode.Uri.joinPath(folder, suggestedName) }) });
    if (target === undefined) {
      return undefined;
    }
    await vscode.workspace.fs.writeFile(target, content);
    return basename(target.path);
  },
  runCommand: async (command) => void (await vscode.commands.executeCommand(command)),
};
