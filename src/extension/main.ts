/** Activation. No native code and no model code is loaded in this process; see docs/architecture.md. */

import { bundleBeganMs } from './activationClock';
import * as vscode from 'vscode';
import { registerAlignmentProblems } from './alignment/alignmentProblems';
import { registerBenchmarks } from './benchmark/registerBenchmarks';
import { registerCommands } from './commands';
import { registerDiagnostics } from './diagnostics/registerDiagnostics';
import { GlmContext } from './glmContext';
import { registerLanguageModelProvider } from './languageModel/languageModelProvider';
import { registerStatusBar } from './status/statusBar';
import { registerProfiler } from './profiler/registerProfiler';
import { chatViewId } from './view/chatViewProvider';

let current: GlmContext | undefined;

export function activate(extension: vscode.ExtensionContext): void {
  const startedMs = performance.now();
  const ctx = new GlmContext(extension);
  current = ctx;
  ctx.own(vscode.window.registerWebviewViewProvider(chatViewId, ctx.view));
  registerCommands(ctx);
  registerStatusBar(ctx);
  registerLanguageModelProvider(ctx);
  ctx.own(registerBenchmarks(ctx));
  ctx.own(registerProfiler(ctx));
  ctx.own(registerAlignmentProblems(ctx));
  ctx.own(registerDiagnostics(extension, ctx.log));
  if (extension.extensionMode === vscode.ExtensionMode.Development || process.env.GLM_OPEN_VIEW === '1') {
    // `npm start` and F5: the chat is what one wants to see.
    void vscode.commands.executeCommand(`${chatViewId}.focus`);
  }
  // The host does other things between evaluating the bundle and calling this.
  ctx.activationMs = bundleReadyMs - bundleBeganMs + (performance.now() - startedMs);
  ctx.log.log('info', 'activation', `Activated in ${ctx.activationMs.toFixed(1)} ms`);
}

export async function deactivate(): Promise<void> {
  await current?.shutDown();
  current = undefined;
}

/** The last line of the last module. */
const bundleReadyMs = performance.now();
