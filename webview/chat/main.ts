/**
 * Entry of the chat view's bundle, `dist/webview/chat.js`.
 *
 * The page needs `<div id="root"></div>` (or an empty body), this script with the policy's nonce, and
 * `<meta property="csp-nonce" content="NONCE">`, from which the toolkit takes the nonce for its style elements.
 * No style sheet and no other file is loaded.
 */

import {
  provideVSCodeDesignSystem,
  vsCodeButton,
  vsCodeCheckbox,
  vsCodeDivider,
  vsCodeDropdown,
  vsCodeOption,
  vsCodeProgressRing,
  vsCodeTextArea,
  vsCodeTextField,
} from '@vscode/webview-ui-toolkit';
import { serializeError } from '../../src/common/errors';
import { preparePage, showApp } from '../common/page';
import './components/chatApp';
import type { ChatApp } from './components/chatApp';
import { connectToHost, type WebviewApi } from './hostConnection';
import { ChatStore, type FrameScheduler } from './state/chatStore';
import { ViewMemoryKeeper } from './state/viewMemory';

declare function acquireVsCodeApi(): WebviewApi;

provideVSCodeDesignSystem().register(vsCodeButton(), vsCodeCheckbox(), vsCodeDivider(), vsCodeDropdown(), vsCodeOption(), vsCodeProgressRing(), vsCodeTextArea(), vsCodeTextField());

preparePage();

const api = acquireVsCodeApi();
const store = new ChatStore(afterFirstPaint((callback) => requestAnimationFrame(callback)));
const host = connectToHost(api, window, (event) => store.dispatch({ kind: 'host-event', event, atMs: performance.now() }));

// Asked first: the host gathers its state while the view is being built.
host.request('view-ready', {}).then(
  (view) => store.dispatch({ kind: 'connected', view }),
  (error: unknown) => store.dispatch({ kind: 'request-failed', problem: { method: 'view-ready', error: serializeError(error) } }),
);

const app = document.createElement('glm-chat') as ChatApp;
app.store = store;
app.host = host;
app.memoryKeeper = new ViewMemoryKeeper(api);
showApp(app);

/**
 * Holds states back until the frame of the view has been painted, once: the host's first answer may bring a long conversation,
 * and composer and header need not wait for it.
 */
function afterFirstPaint(scheduleFrame: FrameScheduler): FrameScheduler {
  let hasPainted = false;
  const painted = new Promise<void>((resolve) =>
    requestAnimationFrame(() =>
      setTimeout(() => {
        hasPainted = true;
        resolve();
      }),
    ),
  );
  return (callback) => {
    if (hasPainted) {
      scheduleFrame(callback);
    } else {
      void painted.then(() => scheduleFrame(callback));
    }
  };
}
