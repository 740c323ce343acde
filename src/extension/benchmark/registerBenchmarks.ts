/** The benchmark commands with their services. They cost nothing until one of them runs. */

import { join } from 'node:path';
import * as vscode from 'vscode';
import { startMonitor } from '../../engine/client';
import type { GlmContext } from '../glmContext';
import { registerCommand } from '../commands/registerCommand';
import { askForBenchmark } from './askForBenchmark';
import { BenchmarkService, type ModelBeside } from './benchmarkService';
import { buildScenario, mayUse, progressText } from './benchmarkForm';
import { panelType, ReportPanels } from './reportPanel';
import { ReportStore, type StoredReport } from './reportStore';
import { chooseReport, readReport } from './chooseReport';
import { measuredCosts } from '../../bench/scenarios/alignment';
import { settingsFor, type Scenario, type ScenarioSettings } from '../../bench/scenarios/scenario';
import type { ScenarioName } from '../../bench/scenarios/scenarioByName';

export function registerBenchmarks(ctx: GlmContext): vscode.Disposable {
  const store = new ReportStore(vscode.Uri.joinPath(ctx.extension.globalStorageUri, 'benchmarks').fsPath, ctx.log);
  const panels = new ReportPanels(ctx.extension.extensionUri, store);
  const service = new BenchmarkService({
    startEngine: () => ctx.startEngine(),
    startMonitor: () => startMonitor({ monitorPath: join(ctx.extension.extensionPath, 'dist', 'monitor.js'), log: ctx.log }),
    store,
    version: String(ctx.extension.extension.packageJSON.version),
    nowMs: () => Date.now(),
  });
  return vscode.Disposable.from(
    panels,
    vscode.window.registerWebviewPanelSerializer(panelType, { deserializeWebviewPanel: (panel, state) => panels.restore(panel, state) }),
    registerCommand(ctx.log, 'glm.runBenchmark', async () => {
      const stored = await runBenchmark(ctx, service);
      if (stored !== undefined) {
        await panels.show(stored);
      }
    }),
    registerCommand(ctx.log, 'glm.measureAlignment', async () => {
      const stored = await runBenchmark(ctx, service, 'alignment');
      if (stored !== undefined) {
        await panels.show(stored);
      }
    }),
    registerCommand(ctx.log, 'glm.openBenchmarkReport', async (given) => {
      const stored = given instanceof vscode.Uri ? await readReport(given.fsPath) : await chooseReport(store);
      if (stored !== undefined) {
        await panels.show(stored);
      }
    }),
  );
}

/** @param given  The scenario, when the command has named it already. */
async function runBenchmark(ctx: GlmContext, service: BenchmarkService, given?: ScenarioName): Promise<StoredReport | undefined> {
  const form = await askForBenchmark(ctx, given);
  if (form === undefined) {
    return undefined;
  }
  const [base, devices] = await Promise.all([ctx.loadOptions(form.source), ctx.devices.probe().catch(() => ctx.devices.devices)]);
  const scenario = buildScenario(form, base, devices);
  const beside = await settleChatModel(ctx, scenario);
  if (beside === 'cancelled') {
    return undefined;
  }
  const stored = await measure(service, scenario, settingsFor(scenario, form.settings), beside);
  if (stored.report.alignment !== undefined && stored.report.cases.length === scenario.loads.reduce((sum, load) => sum + load.cases.length, 0)) {
    // Later messages about this model tell what was measured; a cancelled measurement judges nothing.
    await ctx.rememberAlignmentCosts(base, measuredCosts(stored.report.alignment));
  }
  return stored;
}

/** A load under way would otherwise end in the middle of the measurement. */
function loadEnded({ model }: GlmContext): Promise<void> {
  return model.engineState.kind !== 'loading'
    ? Promise.resolve()
    : new Promise((resolve) => {
        const stop = model.onState.on(({ kind }) => {
          if (kind !== 'loading') {
            stop();
            resolve();
          }
        });
      });
}

/** A loaded chat model takes memory of the devices, and an answer under way their time: the user says what becomes of it. */
async function settleChatModel(ctx: GlmContext, scenario: Scenario): Promise<ModelBeside | undefined | 'cancelled'> {
  await loadEnded(ctx);
  const state = ctx.model.engineState;
  if (state.kind !== 'ready') {
    return undefined;
  }
  const beside: ModelBeside = { name: state.model.description.name, devices: [...new Set(state.model.memory.map((use): string => use.device))] };
  const shared = beside.devices.filter((device) => mayUse(scenario, device));
  if (shared.length === 0) {
    return beside;
  }
  const unload = 'Unload It First';
  const keep = 'Keep It';
  const detail = `It holds memory of ${shared.join(', ')} that the benchmark may need, and an answer meanwhile would take time from it. If it stays, the report says so.`;
  const answer = await vscode.window.showWarningMessage(`${beside.name} is loaded for the chat.`, { modal: true, detail }, unload, keep);
  if (answer === unload) {
    await ctx.model.unload();
    return undefined;
  }
  return answer === keep ? beside : 'cancelled';
}

function measure(service: BenchmarkService, scenario: Scenario, settings: ScenarioSettings, beside: ModelBeside | undefined): Thenable<StoredReport> {
  return vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title: `GLM benchmark, ${scenario.title}`, cancellable: true }, async (progress, token) => {
    const controller = new AbortController();
    const subscription = token.onCancellationRequested(() => controller.abort());
    let shownPercent = 0;
    try {
      return await service.run({
        scenario,
        settings,
        beside,
        signal: controller.signal,
        onProgress: (now) => {
          const percent = (now.doneRuns / Math.max(1, now.totalRuns)) * 100;
          progress.report({ message: progressText(now), increment: percent - shownPercent });
          shownPercent = percent;
        },
      });
    } finally {
      subscription.dispose();
    }
  });
}
