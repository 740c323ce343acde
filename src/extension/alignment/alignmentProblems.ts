/** Misalignments in the Problems pane, at the setting that causes them, with the fix as a quick fix. */

import * as vscode from 'vscode';
import type { AlignmentMessage } from '../../common/alignment';
import type { GlmContext } from '../glmContext';
import { findSetting, settingBehind } from './alignmentPlace';

interface AlignmentDiagnostic extends vscode.Diagnostic {
  readonly alignment?: AlignmentMessage;
}

export function registerAlignmentProblems(ctx: GlmContext): vscode.Disposable {
  const collection = vscode.languages.createDiagnosticCollection('glm-alignment');
  let round = 0;
  const show = async (messages: readonly AlignmentMessage[]): Promise<void> => {
    const own = (round += 1);
    const placed = await Promise.all(messages.filter((message) => message.state === 'found').map((message) => place(message, modelFolder(ctx))));
    if (own !== round) {
      // Newer messages came while the files were read.
      return;
    }
    collection.clear();
    for (const [uri, diagnostics] of groupByFile(placed)) {
      collection.set(uri, diagnostics);
    }
  };
  const stop = ctx.model.onAlignment.on((messages) => void show(messages));
  const stopState = ctx.model.onState.on((state) => {
    if (state.kind === 'none' || state.kind === 'failed' || state.kind === 'lost') {
      collection.clear();
    } else if (state.kind === 'ready') {
      // Messages of a load can come before its model's folder is known.
      void show(ctx.model.alignmentMessages);
    }
  });
  const actions = vscode.languages.registerCodeActionsProvider(
    [{ pattern: '**/.vscode/settings.json' }, { pattern: '**/config.json' }],
    {
      provideCodeActions: (document, range): vscode.CodeAction[] =>
        ((collection.get(document.uri) ?? []) as readonly AlignmentDiagnostic[])
          .filter((diagnostic) => diagnostic.range.intersection(range) !== undefined)
          .flatMap((diagnostic) => fixes(diagnostic)),
    },
    { providedCodeActionKinds: [vscode.CodeActionKind.QuickFix] },
  );
  return vscode.Disposable.from(collection, actions, new vscode.Disposable(stop), new vscode.Disposable(stopState));
}

function modelFolder(ctx: GlmContext): string | undefined {
  const state = ctx.model.engineState;
  return state.kind === 'ready' ? state.model.description.folder : undefined;
}

interface Placed {
  readonly uri: vscode.Uri;
  readonly diagnostic: vscode.Diagnostic;
}

/** The workspace's line when the workspace sets it, else the top of the model's config.json. Undefined when neither is there. */
async function place(message: AlignmentMessage, folder: string | undefined): Promise<Placed | undefined> {
  const setting = settingBehind(message);
  for (const { uri: root } of vscode.workspace.workspaceFolders ?? []) {
    const uri = vscode.Uri.joinPath(root, '.vscode', 'settings.json');
    const found = findSetting(await readText(uri), setting);
    if (found !== undefined) {
      return { uri, diagnostic: toDiagnostic(message, setting, new vscode.Range(found.line, found.column, found.line, found.column + found.length)) };
    }
  }
  return folder === undefined ? undefined : { uri: vscode.Uri.joinPath(vscode.Uri.file(folder), 'config.json'), diagnostic: toDiagnostic(message, setting, new vscode.Range(0, 0, 0, 1)) };
}

/** A file that is not there sets nothing. */
async function readText(uri: vscode.Uri): Promise<string> {
  try {
    return new TextDecoder().decode(await vscode.workspace.fs.readFile(uri));
  } catch {
    return '';
  }
}

function toDiagnostic(message: AlignmentMessage, setting: string, range: vscode.Range): vscode.Diagnostic {
  const diagnostic = new vscode.Diagnostic(range, message.message, vscode.DiagnosticSeverity.Warning);
  diagnostic.source = 'GLM';
  diagnostic.code = { value: setting, target: vscode.Uri.parse(`command:glm.openSettings?${encodeURIComponent(JSON.stringify([setting]))}`) };
  return Object.assign(diagnostic, { alignment: message });
}

function fixes(diagnostic: AlignmentDiagnostic): vscode.CodeAction[] {
  return (diagnostic.alignment?.next ?? []).flatMap((step) => {
    if (step.command === undefined) {
      return [];
    }
    const action = new vscode.CodeAction(step.label, vscode.CodeActionKind.QuickFix);
    action.command = { title: step.label, command: step.command, arguments: [...(step.args ?? [])] };
    action.diagnostics = [diagnostic];
    action.isPreferred = step.command === 'glm.fixAlignment';
    return [action];
  });
}

function groupByFile(placed: readonly (Placed | undefined)[]): readonly (readonly [vscode.Uri, vscode.Diagnostic[]])[] {
  const files = new Map<string, readonly [vscode.Uri, vscode.Diagnostic[]]>();
  for (const one of placed) {
    if (one !== undefined) {
      const file = files.get(one.uri.toString()) ?? ([one.uri, []] as const);
      file[1].push(one.diagnostic);
      files.set(one.uri.toString(), file);
    }
  }
  return [...files.values()];
}
