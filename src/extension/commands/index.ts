/** The commands, one file each. A new one is added here and in package.json; `npm run check` compares the two. */

import type * as vscode from 'vscode';
import type { GlmContext } from '../glmContext';
import { registerAskAboutSelection } from './askAboutSelection';
import { registerAttachFile } from './attachFile';
import { registerCancelLoad } from './cancelLoad';
import { registerChooseModel } from './chooseModel';
import { registerDiagnose } from './diagnose';
import { registerFixAlignment } from './fixAlignment';
import { registerFocusView } from './focusView';
import { registerLoadModel } from './loadModel';
import { registerNewChat } from './newChat';
import { registerOpenSettings } from './openSettings';
import { registerOpenWalkthrough } from './openWalkthrough';
import { registerReloadModel } from './reloadModel';
import { registerRestartEngine } from './restartEngine';
import { registerSetupCuda } from './setupCuda';
import { registerShowLog } from './showLog';
import { registerStop } from './stop';
import { registerUnloadModel } from './unloadModel';

const commands: readonly ((ctx: GlmContext) => vscode.Disposable)[] = [
  registerFocusView,
  registerChooseModel,
  registerLoadModel,
  registerCancelLoad,
  registerReloadModel,
  registerUnloadModel,
  registerRestartEngine,
  registerNewChat,
  registerStop,
  registerAskAboutSelection,
  registerAttachFile,
  registerDiagnose,
  registerFixAlignment,
  registerSetupCuda,
  registerShowLog,
  registerOpenSettings,
  registerOpenWalkthrough,
];

export function registerCommands(ctx: GlmContext): void {
  ctx.own(...commands.map((register) => register(ctx)));
}
