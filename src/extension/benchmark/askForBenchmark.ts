/** Asks what to measure: a scenario, then a form whose defaults are good and whose first entry starts it. */

import * as vscode from 'vscode';
import { defaultSettings } from '../../bench/scenarios/scenario';
import { GlmError } from '../../common/errors';
import { chooseModelSource } from './chooseModelSource';
import { parseLengths, scenarioItems, type BenchmarkForm } from './benchmarkForm';
import type { GlmContext } from '../glmContext';

type FormStep = 'run' | 'source' | 'secondSource' | 'repetitions' | 'lengths';

interface FormItem extends vscode.QuickPickItem {
  readonly step: FormStep;
}

/** Undefined when the user left. @throws {GlmError} `no-model` when there is none to measure. */
export async function askForBenchmark(ctx: GlmContext): Promise<BenchmarkForm | undefined> {
  const scenario = await vscode.window.showQuickPick(
    scenarioItems.map((item) => ({ ...item })),
    { title: 'GLM: Run Benchmark', placeHolder: 'What to measure', matchOnDetail: true },
  );
  if (scenario === undefined) {
    return undefined;
  }
  const state = ctx.model.engineState;
  const source = state.kind === 'ready' ? state.options.source : ctx.choices.defaultSource;
  if (source === undefined) {
    throw new GlmError('no-model', 'No model has been chosen yet, and this build holds no demo model. Choose a GLM-4 checkpoint first.', { next: [{ label: 'Choose a model', command: 'glm.chooseModel' }] });
  }
  return fillForm(ctx, { scenario: scenario.name, source, settings: defaultSettings }, scenario.label);
}

async function fillForm(ctx: GlmContext, initial: BenchmarkForm, title: string): Promise<BenchmarkForm | undefined> {
  let form: BenchmarkForm = initial;
  for (;;) {
    const chosen = await vscode.window.showQuickPick(formItems(ctx, form), { title: `GLM: Run Benchmark, ${title}`, placeHolder: 'Run, or change something first', ignoreFocusOut: true });
    if (chosen === undefined) {
      return undefined;
    }
    switch (chosen.step) {
      case 'run':
        if (form.scenario !== 'chat-vs-base' || form.secondSource !== undefined) {
          return form;
        }
        form = { ...form, secondSource: await chooseModelSource(ctx, 'The second checkpoint') };
        break;
      case 'source':
        form = { ...form, source: (await chooseModelSource(ctx, 'The checkpoint to measure')) ?? form.source };
        break;
      case 'secondSource':
        form = { ...form, secondSource: (await chooseModelSource(ctx, 'The second checkpoint')) ?? form.secondSource };
        break;
      case 'repetitions': {
        const text = await vscode.window.showInputBox({
          title: 'Counted runs per case',
          value: String(form.settings.repetitions),
          prompt: 'With fewer than 5 the spread cannot be judged, and the figures are marked unreliable',
          validateInput: (value) => (/^\d{1,3}$/.test(value.trim()) && Number(value) >= 1 ? undefined : 'A whole number from 1 to 999'),
        });
        form = text === undefined ? form : { ...form, settings: { ...form.settings, repetitions: Number(text) } };
        break;
      }
      case 'lengths': {
        const text = await vscode.window.showInputBox({
          title: 'Tokens of the prompt and of the answer',
          value: form.lengths === undefined ? '512, 128' : `${form.lengths.promptTokens}, ${form.lengths.newTokens}`,
          prompt: 'One case of these lengths; empty for the usual three',
          validateInput: (value) => (value.trim() === '' || parseLengths(value) !== undefined ? undefined : 'Two whole numbers, such as 512, 128'),
        });
        form = text === undefined ? form : { ...form, lengths: parseLengths(text) };
        break;
      }
      default:
        return chosen.step satisfies never;
    }
  }
}

function formItems(ctx: GlmContext, form: BenchmarkForm): FormItem[] {
  const nameOf = (source: string): string => ctx.choices.list.find((choice) => choice.source === source)?.label ?? source;
  const { warmupRuns, repetitions } = form.settings;
  return [
    { step: 'run', label: '$(play) Run', detail: `${nameOf(form.source)}, ${repetitions} counted ${repetitions === 1 ? 'run' : 'runs'} per case after ${warmupRuns} warm-up` },
    { step: 'source', label: `$(server-environment) Model: ${nameOf(form.source)}` },
    ...(form.scenario === 'chat-vs-base' ? [{ step: 'secondSource' as const, label: `$(server-environment) Against: ${form.secondSource === undefined ? 'choose…' : nameOf(form.secondSource)}` }] : []),
    ...(form.scenario === 'standard'
      ? [{ step: 'lengths' as const, label: `$(symbol-ruler) Lengths: ${form.lengths === undefined ? 'the usual three' : `prompt ${form.lengths.promptTokens}, ${form.lengths.newTokens} new`}` }]
      : []),
    { step: 'repetitions', label: `$(sync) Runs per case: ${repetitions}` },
  ];
}
