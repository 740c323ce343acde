/** Misalignments in the Problems pane, at the setting that causes them, with the fix as a quick fix. */

import * as vscode from 'vscode';
import type { AlignmentMessage } from '../../common/alignment';
import type { GlmContext } from '../glmContext';
import { findSetting, findWorkspaceSetting, placeInMap, settingBehind } from './alignmentPlace';
import type { EntryPlace } from '../../devices/plan/deviceMapText';

interface AlignmentDiagnostic extends vscode.Diagnostic {
  readonly alignment?: AlignmentMessage;
}

export function registerAlignmentProblems(ctx: GlmContext): vscode.Disposable {
  const collection = vscode.languages.createDiagnosticCollection('glm-alignment');
  let round = 0;
  const show = async (messages: readonly AlignmentMessage[]): Promise<void> => {
    const own = (round += 1);
    const placed = await Promise.all(messages.filter((message) => message.state === 'found').map((message) => place(message, causesOf(ctx))));
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
    // Device maps may have any name.
    [{ pattern: '**/*.{json,jsonc,code-workspace}' }],
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

/** What the loaded model was read from, and the device map if that came from a file. */
interface Causes {
  readonly modelFolder?: string;
  readonly mapFile?: string;
}

function causesOf(ctx: GlmContext): Causes {
  const state = ctx.model.engineState;
  if (state.kind !== 'ready') {
    return {};
  }
  const { deviceMap } = state.options;
  return { modelFolder: state.model.description.folder, ...(deviceMap.kind === 'map' && deviceMap.file !== undefined ? { mapFile: deviceMap.file } : {}) };
}

interface Placed {
  readonly uri: vscode.Uri;
  readonly diagnostic: vscode.Diagnostic;
}

/** The device-map file's entry when such a file decides, else the workspace's line when the workspace sets it, else the top of the model's config.json. Undefined when none is there. */
async function place(message: AlignmentMessage, { modelFolder, mapFile }: Causes): Promise<Placed | undefined> {
  const setting = settingBehind(message);
  const at = (uri: vscode.Uri, { line, column, length }: EntryPlace): Placed => ({ uri, diagnostic: toDiagnostic(message, setting, new vscode.Range(line, column, line, column + length)) });
  if (setting === 'glm.deviceMap' && mapFile !== undefined) {
    const uri = vscode.Uri.file(mapFile);
    return at(uri, placeInMap(await readText(uri), message));
  }
  for (const { uri: root } of vscode.workspace.workspaceFolders ?? []) {
    const uri = vscode.Uri.joinPath(root, '.vscode', 'settings.json');
    const found = findSetting(await readText(uri), setting);
    if (found !== undefined) {
      return at(uri, found);
    }
  }
  const { workspaceFile } = vscode.workspace;
  const found = workspaceFile === undefined || workspaceFile.scheme === 'untitled' ? undefined : findWorkspaceSetting(await readText(workspaceFile), setting);
  if (workspaceFile !== undefined && found !== undefined) {
    return at(workspaceFile, found);
  }
  return modelFolder === undefined ? undefined : at(vscode.Uri.joinPath(vscode.Uri.file(modelFolder), 'config.json'), { line: 0, column: 0, length: 1 });
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
