import { arch, cpus, platform, release, totalmem } from 'node:os';
import * as vscode from 'vscode';
import { diagnoseReport } from '../diagnose/diagnoseReport';
import type { GlmContext } from '../glmContext';
import { registerCommand } from './registerCommand';

/** Opens one page with everything one would paste into a bug report. It holds no prompts and no answers. */
export function registerDiagnose(ctx: GlmContext): vscode.Disposable {
  return registerCommand(ctx.log, 'glm.diagnose', () =>
    vscode.window.withProgress({ location: vscode.ProgressLocation.Window, title: 'GLM: looking at devices' }, async () => {
      const probe = await ctx.devices.probe().then(
        (devices) => ({ devices }),
        (error: unknown) => ({ devices: [], problem: error instanceof Error ? error.message : String(error) }),
      );
      const content = diagnoseReport({
        versions: {
          'GLM Local': String(ctx.extension.extension.packageJSON.version),
          Activation: ctx.activationMs === undefined ? 'n/a' : `${ctx.activationMs.toFixed(1)} ms`,
          'VS Code': `${vscode.version} (${vscode.env.appName}, ${vscode.env.remoteName ?? 'local'}, ${vscode.env.uiKind === vscode.UIKind.Web ? 'web' : 'desktop'})`,
          'Extension host': `Node ${process.versions.node}${process.versions.electron === undefined ? '' : `, Electron ${process.versions.electron}`}`,
          System: `${platform()} ${release()} ${arch()}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown CPU'}`,
        },
        totalMemoryBytes: totalmem(),
        trusted: vscode.workspace.isTrusted,
        probe,
        engine: ctx.model.engineState,
        enginePid: ctx.model.enginePid,
        lastEngineLines: ctx.model.lastEngineLines,
        alignment: ctx.model.alignmentMessages,
        settings: changedSettings(),
        errors: ctx.log.lastErrors(),
        logTail: ctx.log.tail(80),
        home: process.env.HOME ?? process.env.USERPROFILE,
      });
      await ctx.reports.show('GLM diagnosis.md', content);
    }),
  );
}

/** Settings that differ from their defaults. The system prompt is a prompt: only its length is told. */
function changedSettings(): Record<string, unknown> {
  const properties = (vscode.extensions.getExtension('glm-local.glm-local')?.packageJSON as { contributes?: { configuration?: { properties?: Record<string, unknown> }[] } } | undefined)?.contributes?.configuration ?? [];
  const changed: Record<string, unknown> = {};
  for (const name of properties.flatMap((group) => Object.keys(group.properties ?? {}))) {
    const value = vscode.workspace.getConfiguration().get<unknown>(name);
    if (JSON.stringify(value) !== JSON.stringify(vscode.workspace.getConfiguration().inspect(name)?.defaultValue)) {
      changed[name] = name === 'glm.systemPrompt' ? `(${String(value).length} characters)` : value;
    }
  }
  return changed;
}
