/**
 * Entry of the profiler's bundle, `dist/webview/profiler.js`.
 *
 * The page needs `<div id="root"></div>`, this script with the policy's nonce, and `<meta property="csp-nonce" content="NONCE">`. No other file is loaded.
 */

import { provideVSCodeDesignSystem, vsCodeButton, vsCodeProgressRing } from '@vscode/webview-ui-toolkit';
import type { ProfilerViewContract } from '../../src/common/protocol/profilerView';
import { connectPanel, preparePage, showApp } from '../common/page';
import './components/profilerApp';
import type { ProfilerApp } from './components/profilerApp';

declare function acquireVsCodeApi(): { postMessage(message: unknown): void; setState(state: unknown): void };

provideVSCodeDesignSystem().register(vsCodeButton(), vsCodeProgressRing());

preparePage();

const api = acquireVsCodeApi();
const client = connectPanel<ProfilerViewContract>(api);
// The editor brings a panel back after a reload of the window only when it has a state.
api.setState({});

const app = document.createElement('glm-profiler') as ProfilerApp;
app.host = client;
showApp(app);
