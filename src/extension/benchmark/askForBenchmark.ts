/** Asks what to measure: a scenario, then a form whose defaults are good and whose first entry starts it. */

import * as vscode from 'vscode';
import { defaultSettings } from '../../bench/scenarios/scenario';
import { scenariosWithLengths, type ScenarioName } from '../../bench/scenarios/scenarioByName';
import { GlmError } from '../../common/errors';
import { chooseModelSource } from './chooseModelSource';
import { defaultPython, parseLengths, parseServers, scenarioItems, type BenchmarkForm } from './benchmarkForm';
import type { GlmContext } from '../glmContext';

type FormStep = 'run' | 'source' | 'secondSource' | 'repetitions' | 'warmups' | 'lengths' | 'python' | 'servers';

interface FormItem extends vscode.QuickPickItem {
  readonly step: FormStep;
}

/**
 * @param given  The scenario, when the command has named it already.
 * @returns undefined when the user left.
 * @throws {GlmError} `no-model` when there is none to measure.
 */
export async function askForBenchmark(ctx: GlmContext, given?: ScenarioName): Promise<BenchmarkForm | undefined> {
  const scenario =
    scenarioItems.find(({ name }) => name === given) ??
    (await vscode.window.showQuickPick(
      scenarioItems.map((item) => ({ ...item })),
      { title: 'GLM: Run Benchmark', placeHolder: 'What to measure', matchOnDetail: true },
    ));
  if (scenario === undefined) {
    return undefined;
  }
  const state = ctx.model.engineState;
  const source = state.kind === 'ready' ? state.options.source : ctx.choices.defaultSource;
  if (source === undefined) {
    throw new GlmError('no-model', 'No model has been chosen yet, and this build holds no demo model. Choose a GLM-4 checkpoint first.', { next: [{ label: 'Choose a model', command: 'glm.chooseModel' }] });
  }
  return fillForm(ctx, { scenario: scenario.name, source, settings: defaultSettings, python: defaultPython, servers: [] }, scenario.label);
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
      case 'warmups': {
        const text = await vscode.window.showInputBox({
          title: 'Runs before that are not counted',
          value: String(form.settings.warmupRuns),
          prompt: 'The first run after loading pays for caches and lazy set-up',
          validateInput: (value) => (/^\d{1,2}$/.test(value.trim()) ? undefined : 'A whole number from 0 to 99'),
        });
        form = text === undefined ? form : { ...form, settings: { ...form.settings, warmupRuns: Number(text) } };
        break;
      }
      case 'python': {
        const text = await vscode.window.showInputBox({ title: 'Python with torch and transformers', value: form.python, prompt: 'A path, or a name on the PATH; empty leaves transformers out. Nothing is installed.' });
        form = text === undefined ? form : { ...form, python: text.trim() };
        break;
      }
      case 'servers': {
        const text = await vscode.window.showInputBox({
          title: 'OpenAI-compatible servers on this machine',
          value: form.servers.join(', '),
          placeHolder: 'http://127.0.0.1:8080',
          prompt: 'llama.cpp, vLLM, SGLang, Ollama, …; several are separated by commas',
          validateInput: (value) => (parseServers(value) === undefined ? 'Addresses such as http://127.0.0.1:8080' : undefined),
        });
        form = text === undefined ? form : { ...form, servers: parseServers(text) ?? [] };
        break;
      }
      case 'lengths': {
        const text = await vscode.window.showInputBox({
          title: 'Tokens of the prompt and of the answer',
          value: form.lengths === undefined ? '512, 128' : `${form.lengths.promptTokens}, ${form.lengths.newTokens}`,
          prompt: 'One case of these lengths; empty for the usual ones',
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
    ...(form.scenario === 'others'
      ? [
          { step: 'python' as const, label: `$(snake) Python: ${form.python === '' ? 'none, transformers is left out' : form.python}` },
          { step: 'servers' as const, label: `$(server) Servers: ${form.servers.length === 0 ? 'none' : form.servers.join(', ')}` },
        ]
      : []),
    ...(scenariosWithLengths.includes(form.scenario)
      ? [{ step: 'lengths' as const, label: `$(symbol-ruler) Lengths: ${form.lengths === undefined ? 'the usual ones' : `prompt ${form.lengths.promptTokens}, ${form.lengths.newTokens} new`}` }]
      : []),
    { step: 'repetitions', label: `$(sync) Runs per case: ${repetitions}` },
    { step: 'warmups', label: `$(flame) Warm-up runs: ${warmupRuns}` },
  ];
}
