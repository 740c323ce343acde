/** What the status bar says. Pure. */

import { formatBytes } from '../../common/byteFormat';
import type { ModelState } from '../../common/protocol/webview';

export interface StatusText {
  readonly text: string;
  readonly tooltip: string;
  readonly isWarning: boolean;
}

/** @param tokensPerSecond Decode speed of the last answer, or of the one under way. */
export function statusText(state: ModelState, tokensPerSecond: number | undefined): StatusText {
  switch (state.kind) {
    case 'none':
      return { text: '$(comment-discussion) GLM', tooltip: 'GLM Local: no model is loaded. Click to open the chat.', isWarning: false };
    case 'loading': {
      const { progress } = state;
      const percent = progress === undefined || progress.totalBytes <= 0 ? '' : ` ${Math.floor((100 * progress.doneBytes) / progress.totalBytes)} %`;
      const detail = progress === undefined ? '' : `: ${progress.phase}, ${formatBytes(progress.doneBytes)} of ${formatBytes(progress.totalBytes)}`;
      return { text: `$(loading~spin) ${state.name}${percent}`, tooltip: `GLM Local is loading ${state.name}${detail}`, isWarning: false };
    }
    case 'ready': {
      const { model } = state;
      const speed = tokensPerSecond === undefined ? '' : ` · ${tokensPerSecond.toFixed(tokensPerSecond < 10 ? 1 : 0)} tok/s`;
      const devices = [...new Set(model.plan.stages.map((stage) => stage.device))].join(', ');
      return state.notRespondingForMs === undefined
        ? { text: `$(comment-discussion) ${model.description.name}${speed}`, tooltip: `GLM Local: ${model.description.name}, ${model.weights} on ${devices}, ${model.contextTokens.toLocaleString('en-US')} tokens of context`, isWarning: false }
        : { text: `$(warning) ${model.description.name} not responding`, tooltip: `The engine has sent no sign of life for more than ${Math.round(state.notRespondingForMs / 1000)} s. It may come back; "GLM: Restart Engine" starts it again.`, isWarning: true };
    }
    case 'failed':
    case 'lost':
      return { text: `$(warning) ${state.name}`, tooltip: `GLM Local: ${state.error.message}`, isWarning: true };
    default:
      return state satisfies never;
  }
}
