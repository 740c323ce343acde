import * as vscode from 'vscode';
import { formatBytes } from '../../common/byteFormat';
import { CancelledError, GlmError } from '../../common/errors';
import type { CudaStatus } from '../../cuda/setup/findCuda';
import type { InstallOptions } from '../../cuda/setup/installCuda';
import type { GlmContext } from '../glmContext';
import { registerCommand } from './registerCommand';

/** Says which of CUDA's libraries are here, and downloads what is missing after asking. */
export function registerSetupCuda(ctx: GlmContext): vscode.Disposable {
  return registerCommand(ctx.log, 'glm.setupCuda', async () => {
    const before = await lookForCuda(ctx);
    if (before.ready) {
      void vscode.window.showInformationMessage(`CUDA is ready. ${before.driver.message}`);
      return;
    }
    if (!before.supported || before.driver.state !== 'ok') {
      throw new GlmError('cuda-not-usable', before.messages.join(' '), { next: before.next });
    }
    if (await download(ctx, before)) {
      ctx.cuda.reset();
      const after = await lookForCuda(ctx);
      if (!after.ready) {
        throw new GlmError('cuda-not-usable', after.messages.join(' '), { next: after.next });
      }
      const reload = 'Reload model';
      if ((await vscode.window.showInformationMessage('CUDA is ready. Models use it from the next load on.', reload)) === reload) {
        await vscode.commands.executeCommand('glm.reloadModel');
      }
    }
  });
}

async function lookForCuda(ctx: GlmContext): Promise<CudaStatus> {
  return vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title: 'GLM: looking for CUDA 13 and cuDNN 9' }, async () => {
    // The driver's version as NVML tells it, which works in WSL and containers too.
    await ctx.devices.probe().catch(() => undefined);
    return ctx.cuda.status();
  });
}

/** False when the user did not agree. */
async function download(ctx: GlmContext, status: CudaStatus): Promise<boolean> {
  const configuration = vscode.workspace.getConfiguration();
  const indexUrl = configuration.get<string>('glm.packageIndexUrl')?.trim();
  const proxy = configuration.get<string>('http.proxy')?.trim();
  const options: InstallOptions = {
    platform: process.platform,
    arch: process.arch,
    installRoot: ctx.cudaFolder,
    ...(indexUrl ? { indexUrl } : {}),
    ...(proxy ? { http: { proxy } } : {}),
  };
  const { installCuda, planInstall } = await import('../../cuda/setup/installCuda');
  const plan = await planInstall(options);
  const detail = [...status.messages, '', ...plan.files.map((file) => `${file.packageId} ${file.version}, ${formatBytes(file.byteLength)} (licence: ${file.licence})`), '', `They go to ${plan.folder}; ${formatBytes(plan.diskBytes)} of disk space are needed meanwhile.`].join('\n');
  const agree = 'Download';
  if ((await vscode.window.showInformationMessage(`Download ${formatBytes(plan.downloadBytes)} for CUDA?`, { modal: true, detail }, agree)) !== agree) {
    return false;
  }
  await vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title: 'GLM: CUDA', cancellable: true }, async (progress, token) => {
    const controller = new AbortController();
    token.onCancellationRequested(() => controller.abort());
    let shownPercent = 0;
    await installCuda(plan, {
      ...options,
      signal: controller.signal,
      onProgress: ({ phase, packageId, doneBytes, totalBytes }) => {
        const percent = totalBytes > 0 ? (100 * doneBytes) / totalBytes : 0;
        progress.report({ message: `${phase} ${packageId}, ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`, increment: Math.max(0, percent - shownPercent) });
        shownPercent = Math.max(shownPercent, percent);
      },
    });
    if (controller.signal.aborted) {
      throw new CancelledError('The download');
    }
  });
  return true;
}
