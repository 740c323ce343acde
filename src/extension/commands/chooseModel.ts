import * as vscode from 'vscode';
import { describePlan } from '../model/describePlan';
import type { GlmContext } from '../glmContext';
import { registerCommand } from './registerCommand';

interface ModelItem extends vscode.QuickPickItem {
  readonly source?: string;
  readonly picksFolder?: boolean;
}

/** Lets the user choose a checkpoint, shows what it needs, and loads it. Called with a source, it skips the list. */
export function registerChooseModel(ctx: GlmContext): vscode.Disposable {
  return registerCommand(ctx.log, 'glm.chooseModel', (source) => (typeof source === 'string' ? loadWithEstimate(ctx, source) : chooseModel(ctx)));
}

export async function chooseModel(ctx: GlmContext): Promise<void> {
  const source = await pickSource(ctx);
  if (source !== undefined) {
    await loadWithEstimate(ctx, source);
  }
}

/**
 * Shows bytes per device before anything is loaded, unless the model is the demo or `glm.confirmLoad` is off.
 * Returns when the load has begun; its end shows in the view and the status bar.
 */
export async function loadWithEstimate(ctx: GlmContext, source: string): Promise<void> {
  if (ctx.choices.isDemo(source) || !ctx.settings.current.confirmLoad) {
    begin(ctx, source);
    return;
  }
  const options = await ctx.loadOptions(source);
  const estimate = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: `GLM: working out what ${source} needs`, cancellable: true },
    async (_progress, token) => {
      const controller = new AbortController();
      token.onCancellationRequested(() => controller.abort());
      const engine = ctx.startEngine();
      try {
        const [{ description, plan }, devices] = await Promise.all([engine.request('model-plan', options, controller.signal), ctx.devices.probe().catch(() => ctx.devices.devices)]);
        return { plan, ...describePlan(description, plan, devices) };
      } finally {
        void engine.end();
      }
    },
  );
  const answer = await vscode.window.showInformationMessage(estimate.title, { modal: true, detail: estimate.detail }, 'Load');
  if (answer === 'Load') {
    begin(ctx, source, estimate.plan);
  }
}

function begin(ctx: GlmContext, ...args: Parameters<GlmContext['model']['load']>): void {
  void ctx.view.reveal();
  // A failure shows in the view's model state, with its next steps.
  ctx.model.load(...args).catch(() => undefined);
}

async function pickSource(ctx: GlmContext): Promise<string | undefined> {
  const pick = vscode.window.createQuickPick<ModelItem>();
  pick.title = 'GLM: Choose Model';
  pick.placeholder = 'A checkpoint from the list, or type org/name or the path of a folder';
  pick.matchOnDescription = true;
  pick.matchOnDetail = true;
  const show = (): void => {
    const items = itemsFor(ctx, pick.value.trim());
    // A list that is set anew swallows a click that is under way.
    if (JSON.stringify(items) !== JSON.stringify(pick.items)) {
      pick.items = items;
    }
  };
  show();
  pick.onDidChangeValue(show);
  pick.busy = true;
  const engine = ctx.startEngine();
  engine
    .request('checkpoints-list', {})
    .then((cached) => {
      ctx.choices.setCached(cached);
      show();
    })
    .catch((error: unknown) => ctx.log.log('warn', 'model', `The Hugging Face cache could not be listed: ${String(error)}`))
    .finally(() => {
      pick.busy = false;
      void engine.end();
    });
  const item = await new Promise<ModelItem | undefined>((resolve) => {
    pick.onDidAccept(() => resolve(pick.selectedItems[0]));
    pick.onDidHide(() => resolve(undefined));
    pick.show();
  });
  pick.dispose();
  return item?.picksFolder === true ? pickFolder() : item?.source;
}

function itemsFor(ctx: GlmContext, typed: string): ModelItem[] {
  const typedItem: ModelItem[] = /^(~|\.{0,2}[\\/]|[a-z]:\\)|^[\w.-]+\/[\w.-]+$/i.test(typed)
    ? [{ label: `$(arrow-right) ${typed}`, description: 'as typed', source: typed, alwaysShow: true }]
    : [];
  const state = ctx.model.state;
  const loaded = state.kind === 'ready' ? state.model.description.folder : undefined;
  return [
    ...typedItem,
    ...ctx.choices.list.map((choice) => ({ label: choice.label, description: choice.source === loaded ? 'loaded' : undefined, detail: choice.detail, source: choice.source })),
    { label: '$(folder-opened) Choose a folder…', detail: 'A folder with config.json, safetensors files and a tokenizer', picksFolder: true, alwaysShow: true },
    ...ctx.choices.refused.map((checkpoint) => ({ label: `$(circle-slash) ${checkpoint.name}`, detail: checkpoint.problem, source: checkpoint.name })),
  ];
}

async function pickFolder(): Promise<string | undefined> {
  const [uri] = (await vscode.window.showOpenDialog({ canSelectFolders: true, canSelectFiles: false, canSelectMany: false, openLabel: 'Choose', title: 'Folder of a GLM-4 checkpoint' })) ?? [];
  return uri?.fsPath;
}
