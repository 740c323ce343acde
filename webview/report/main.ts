/**
 * Entry of the benchmark report's bundle, `dist/webview/report.js`.
 *
 * The page needs `<div id="root"></div>`, this script with the policy's nonce, and `<meta property="csp-nonce" content="NONCE">`. No other file is loaded.
 */

import { provideVSCodeDesignSystem, vsCodeButton, vsCodeProgressRing } from '@vscode/webview-ui-toolkit';
import type { ReportViewContract } from '../../src/common/protocol/reportView';
import { connectPanel, preparePage, showApp } from '../common/page';
import './components/reportApp';
import type { ReportApp } from './components/reportApp';

declare function acquireVsCodeApi(): { postMessage(message: unknown): void; setState(state: unknown): void };

provideVSCodeDesignSystem().register(vsCodeButton(), vsCodeProgressRing());

preparePage();

const api = acquireVsCodeApi();
const client = connectPanel<ReportViewContract>(api);

const app = document.createElement('glm-report') as ReportApp;
app.host = client;
// After a reload of the window the editor hands this back, and the panel shows the same report.
app.addEventListener('shown', (event) => api.setState({ id: (event as CustomEvent<string>).detail }));
showApp(app);
