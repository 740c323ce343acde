import * as vscode from 'vscode';
import { describeEnvironment } from '../../bench/environment';
import { toMarkdown } from '../../bench/report/writers';
import { runScenario } from '../../bench/runScenario';
import { alignmentScenario, measuredCosts } from '../../bench/scenarios/alignment';
import { defaultSettings } from '../../bench/scenarios/scenario';
import { GlmError } from '../../common/errors';
import type { GlmContext } from '../glmContext';
import { registerCommand } from './registerCommand';

/** Measures what each kind of misplaced tensor costs with the chosen model, shows the table, and lets later messages tell the costs. */
export function registerMeasureAlignment(ctx: GlmContext): vscode.Disposable {
  return registerCommand(ctx.log, 'glm.measureAlignment', () =>
    vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title: 'GLM: device alignment', cancellable: true }, async (progress, token) => {
      const controller = new AbortController();
      token.onCancellationRequested(() => controller.abort());
      const state = ctx.model.engineState;
      const source = state.kind === 'ready' ? state.options.source : ctx.choices.defaultSource;
      if (source === undefined) {
        throw new GlmError('no-model', 'No model has been chosen yet. Choose a GLM-4 checkpoint first.', { next: [{ label: 'Choose a model', command: 'glm.chooseModel' }] });
      }
      const [base, devices] = await Promise.all([ctx.loadOptions(source), ctx.devices.probe().catch(() => [])]);
      const report = await runScenario(alignmentScenario(base), defaultSettings, {
        startEngine: () => ctx.startEngine(),
        environment: () => Promise.resolve(describeEnvironment(String(ctx.extension.extension.packageJSON.version), devices)),
        nowMs: () => Date.now(),
        signal: controller.signal,
        onProgress: ({ label, phase, doneRuns, totalRuns }) => progress.report({ message: phase === 'loading' ? `loading, ${label}` : `${label}: run ${Math.min(doneRuns + 1, totalRuns)} of ${totalRuns}` }),
      });
      await ctx.rememberAlignmentCosts(base, measuredCosts(report.alignment ?? []));
      await ctx.reports.show('GLM device alignment.md', toMarkdown(report));
    }),
  );
}
