/** The profiler's commands. They cost nothing until one of them runs. */

import { basename } from 'node:path';
import * as vscode from 'vscode';
import { GlmError } from '../../common/errors';
import { mostProfileBytes, parseProfile, ProfileFormatError, profileTooLarge } from '../../profiling/parseProfile';
import { registerCommand } from '../commands/registerCommand';
import type { GlmContext } from '../glmContext';
import { ProfilerPanel, profilerPanelType } from './profilerPanel';
import { ProfilerService } from './profilerService';

export function registerProfiler(ctx: GlmContext): vscode.Disposable {
  const service = new ProfilerService({ model: ctx.model, devices: ctx.devices, version: String(ctx.extension.extension.packageJSON.version), nowMs: () => Date.now() });
  const panel = new ProfilerPanel(ctx.extension.extensionUri, service);
  return vscode.Disposable.from(
    panel,
    vscode.window.registerWebviewPanelSerializer(profilerPanelType, {
      deserializeWebviewPanel: (restored) => {
        panel.restore(restored);
        return Promise.resolve();
      },
    }),
    registerCommand(ctx.log, 'glm.openProfiler', () => panel.showLive()),
    registerCommand(ctx.log, 'glm.profileGeneration', async () => {
      if (ctx.model.engineState.kind !== 'ready') {
        await ctx.model.reload();
      }
      panel.showLive();
      await profile(service);
    }),
    registerCommand(ctx.log, 'glm.openProfile', async (given) => {
      const file = given instanceof vscode.Uri ? given : (await vscode.window.showOpenDialog({ title: 'GLM: Open Profile', filters: { Profile: ['json'] }, canSelectMany: false }))?.[0];
      if (file !== undefined) {
        const name = basename(file.path);
        panel.showSaved(name, parseProfile(await readText(file, name), name));
      }
    }),
  );
}

async function readText(file: vscode.Uri, name: string): Promise<string> {
  try {
    const { size } = await vscode.workspace.fs.stat(file);
    if (size > mostProfileBytes) {
      throw profileTooLarge(name, size);
    }
    return Buffer.from(await vscode.workspace.fs.readFile(file)).toString('utf8');
  } catch (cause) {
    if (cause instanceof ProfileFormatError) {
      throw cause;
    }
    throw new GlmError('profile-unreadable', `${name} could not be read: ${cause instanceof Error ? cause.message : String(cause)} Check that it exists and that you may read it.`, { cause });
  }
}

function profile(service: ProfilerService): Thenable<void> {
  return vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title: 'GLM profiler', cancellable: true }, async (progress, token) => {
    const controller = new AbortController();
    const subscription = token.onCancellationRequested(() => controller.abort());
    try {
      const notes = await service.measure(controller.signal, (text) => progress.report({ message: text }));
      if (notes.length > 0) {
        void vscode.window.showInformationMessage(notes.join(' '));
      }
    } finally {
      subscription.dispose();
    }
  });
}
