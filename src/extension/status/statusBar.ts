/** The status bar item: which model, and how fast it answers. */

import * as vscode from 'vscode';
import type { ModelState } from '../../common/protocol/webview';
import type { GlmContext } from '../glmContext';
import { statusText } from './statusText';

export function registerStatusBar(ctx: GlmContext): void {
  const item = vscode.window.createStatusBarItem('glm.status', vscode.StatusBarAlignment.Right, 90);
  item.name = 'GLM';
  item.command = 'glm.focusView';
  let speed: number | undefined;
  const show = (state: ModelState): void => {
    const { text, tooltip, isWarning } = statusText(state, speed);
    item.text = text;
    item.tooltip = tooltip;
    item.backgroundColor = isWarning ? new vscode.ThemeColor('statusBarItem.warningBackground') : undefined;
  };
  ctx.own(
    item,
    ctx.model.onState.on((state) => {
      speed = state.kind === 'ready' ? speed : undefined;
      show(state);
    }),
    ctx.model.onSpeed.on((tokensPerSecond) => {
      speed = tokensPerSecond;
      show(ctx.model.state);
    }),
  );
  show(ctx.model.state);
  item.show();
}
