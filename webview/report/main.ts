/**
 * Entry of the benchmark report's bundle, `dist/webview/report.js`.
 *
 * The page needs `<div id="root"></div>`, this script with the policy's nonce, and `<meta property="csp-nonce" content="NONCE">`. No other file is loaded.
 */

import { provideVSCodeDesignSystem, vsCodeButton, vsCodeProgressRing } from '@vscode/webview-ui-toolkit';
import { isRpcMessage, RpcClient, type RpcMessage } from '../../src/common/protocol/rpc';
import type { ReportViewContract } from '../../src/common/protocol/reportView';
import { installIconFont } from '../common/codicons';
import './components/reportApp';
import type { ReportApp } from './components/reportApp';

declare function acquireVsCodeApi(): { postMessage(message: unknown): void; setState(state: unknown): void };

provideVSCodeDesignSystem().register(vsCodeButton(), vsCodeProgressRing());

const page = new CSSStyleSheet();
page.replaceSync('html, body { height: 100%; margin: 0; padding: 0; } body { overflow: hidden; }');
document.adoptedStyleSheets = [...document.adoptedStyleSheets, page];
installIconFont(document);

const api = acquireVsCodeApi();
const client = new RpcClient<ReportViewContract>((message: RpcMessage) => api.postMessage(message));
window.addEventListener('message', (event: MessageEvent<unknown>) => {
  if (isRpcMessage(event.data)) {
    client.receive(event.data);
  }
});

const app = document.createElement('glm-report') as ReportApp;
app.host = client;
// After a reload of the window the editor hands this back, and the panel shows the same report.
app.addEventListener('shown', (event) => api.setState({ id: (event as CustomEvent<string>).detail }));
(document.getElementById('root') ?? document.body).replaceChildren(app);
