/** Misalignments, and settings that let no model load, in the Problems pane: at the setting that causes them, with the fix as a quick fix. */

import * as vscode from 'vscode';
import type { AlignmentMessage } from '../../common/alignment';
import type { NextStep, SerializedError } from '../../common/errors';
import { findKey, type EntryPlace } from '../../devices/plan/deviceMapText';
import type { GlmContext } from '../glmContext';
import { findSetting, findWorkspaceSetting, placeInMap, settingBehind } from './alignmentPlace';

/** What is said about a setting. */
interface SettingProblem {
  readonly message: string;
  readonly setting: string;
  readonly next: readonly NextStep[];
  /** Its place in the text of a device-map file. */
  readonly placeInMap: (mapText: string) => EntryPlace;
}

interface SettingDiagnostic extends vscode.Diagnostic {
  readonly next?: readonly NextStep[];
}

export function registerAlignmentProblems(ctx: GlmContext): vscode.Disposable {
  const collection = vscode.languages.createDiagnosticCollection('glm-alignment');
  let round = 0;
  const show = async (problems: readonly SettingProblem[]): Promise<void> => {
    const own = (round += 1);
    const placed = await Promise.all(problems.map((problem) => place(problem, causesOf(ctx))));
    if (own !== round) {
      // Newer messages came while the files were read.
      return;
    }
    collection.clear();
    for (const [uri, diagnostics] of groupByFile(placed)) {
      collection.set(uri, diagnostics);
    }
  };
  const showMessages = (messages: readonly AlignmentMessage[]): void => void show(messages.filter((message) => message.state === 'found').map(toProblem));
  const stop = ctx.model.onAlignment.on(showMessages);
  const stopState = ctx.model.onState.on((state) => {
    if (state.kind === 'failed') {
      void show(failureOf(state.error));
    } else if (state.kind === 'none' || state.kind === 'lost') {
      void show([]);
    } else if (state.kind === 'ready') {
      // Messages of a load can come before its model's folder is known.
      showMessages(ctx.model.alignmentMessages);
    }
  });
  const actions = vscode.languages.registerCodeActionsProvider(
    // Device maps may have any name.
    [{ pattern: '**/*.{json,jsonc,code-workspace}' }],
    {
      provideCodeActions: (document, range): vscode.CodeAction[] =>
        ((collection.get(document.uri) ?? []) as readonly SettingDiagnostic[])
          .filter((diagnostic) => diagnostic.range.intersection(range) !== undefined)
          .flatMap((diagnostic) => fixes(diagnostic)),
    },
    { providedCodeActionKinds: [vscode.CodeActionKind.QuickFix] },
  );
  return vscode.Disposable.from(collection, actions, new vscode.Disposable(stop), new vscode.Disposable(stopState));
}

function toProblem(message: AlignmentMessage): SettingProblem {
  return { message: message.message, setting: settingBehind(message), next: message.next, placeInMap: (text) => placeInMap(text, message) };
}

/** A load that ended at a setting: there it can be put right. */
function failureOf({ code, message, fields, next }: SerializedError): readonly SettingProblem[] {
  if (code === 'device-map-invalid') {
    return [{ message, setting: 'glm.deviceMap', next, placeInMap: (text) => findKey(text, String(fields['entry'])) ?? topOfFile }];
  }
  return code === 'bad-setting' ? [{ message, setting: String(fields['setting']), next, placeInMap: () => topOfFile }] : [];
}

const topOfFile: EntryPlace = { line: 0, column: 0, length: 1 };

/** What the model was read from, and the device map if that came from a file. */
interface Causes {
  readonly modelFolder?: string;
  readonly mapFile?: string;
}

function causesOf(ctx: GlmContext): Causes {
  const state = ctx.model.engineState;
  // Settings that could not be read say nothing about the load before them.
  if (state.kind !== 'ready' && !(state.kind === 'failed' && ctx.model.refusedSettings === undefined)) {
    return {};
  }
  const { deviceMap } = state.options;
  return { ...(state.kind === 'ready' ? { modelFolder: state.model.description.folder } : {}), ...(deviceMap.kind === 'map' && deviceMap.file !== undefined ? { mapFile: deviceMap.file } : {}) };
}

interface Placed {
  readonly uri: vscode.Uri;
  readonly diagnostic: vscode.Diagnostic;
}

/** The device-map file's entry when such a file decides, else the workspace's line when the workspace sets it, else the top of the model's config.json. Undefined when none is there. */
async function place(problem: SettingProblem, { modelFolder, mapFile }: Causes): Promise<Placed | undefined> {
  const { setting } = problem;
  const at = (uri: vscode.Uri, { line, column, length }: EntryPlace): Placed => ({ uri, diagnostic: toDiagnostic(problem, new vscode.Range(line, column, line, column + length)) });
  if (setting === 'glm.deviceMap' && mapFile !== undefined) {
    const uri = vscode.Uri.file(mapFile);
    return at(uri, problem.placeInMap(await readText(uri)));
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
  return modelFolder === undefined ? undefined : at(vscode.Uri.joinPath(vscode.Uri.file(modelFolder), 'config.json'), topOfFile);
}

/** A file that is not there sets nothing. */
async function readText(uri: vscode.Uri): Promise<string> {
  try {
    return new TextDecoder().decode(await vscode.workspace.fs.readFile(uri));
  } catch {
    return '';
  }
}

function toDiagnostic({ message, setting, next }: SettingProblem, range: vscode.Range): vscode.Diagnostic {
  const diagnostic = new vscode.Diagnostic(range, message, vscode.DiagnosticSeverity.Warning);
  diagnostic.source = 'GLM';
  diagnostic.code = { value: setting, target: vscode.Uri.parse(`command:glm.openSettings?${encodeURIComponent(JSON.stringify([setting]))}`) };
  return Object.assign(diagnostic, { next });
}

function fixes(diagnostic: SettingDiagnostic): vscode.CodeAction[] {
  return (diagnostic.next ?? []).flatMap((step) => {
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
