/**
 * Entry of the profiler's bundle, `dist/webview/profiler.js`.
 *
 * The page needs `<div id="root"></div>`, this script with the policy's nonce, and `<meta property="csp-nonce" content="NONCE">`. No other file is loaded.
 */

import { provideVSCodeDesignSystem, vsCodeButton, vsCodeProgressRing } from '@vscode/webview-ui-toolkit';
import type { ProfilerViewContract } from '../../src/common/protocol/profilerView';
import { isRpcMessage, RpcClient, type RpcMessage } from '../../src/common/protocol/rpc';
import { installIconFont } from '../common/codicons';
import './components/profilerApp';
import type { ProfilerApp } from './components/profilerApp';

declare function acquireVsCodeApi(): { postMessage(message: unknown): void; setState(state: unknown): void };

provideVSCodeDesignSystem().register(vsCodeButton(), vsCodeProgressRing());

const page = new CSSStyleSheet();
page.replaceSync('html, body { height: 100%; margin: 0; padding: 0; } body { overflow: hidden; }');
document.adoptedStyleSheets = [...document.adoptedStyleSheets, page];
installIconFont(document);

const api = acquireVsCodeApi();
const client = new RpcClient<ProfilerViewContract>((message: RpcMessage) => api.postMessage(message));
window.addEventListener('message', (event: MessageEvent<unknown>) => {
  if (isRpcMessage(event.data)) {
    client.receive(event.data);
  }
});
// The editor brings a panel back after a reload of the window only when it has a state.
api.setState({});

const app = document.createElement('glm-profiler') as ProfilerApp;
app.host = client;
(document.getElementById('root') ?? document.body).replaceChildren(app);
