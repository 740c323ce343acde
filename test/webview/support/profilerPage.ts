/** Entry of the script that stands in for the editor around the profiler; `window.profilerHost` sends it events. */

import type { ProfilerState, ProfilerViewContract } from '../../../src/common/protocol/profilerView';
import { RpcServer } from '../../../src/common/protocol/rpc';
import { standInForEditor, type PanelTheme } from './panelPage';

declare global {
  interface Window {
    profilerHost: RpcServer<ProfilerViewContract>;
  }
}

const { state, theme } = (window as unknown as { readonly panelSetup: { readonly state: ProfilerState; readonly theme: PanelTheme } }).panelSetup;
const send = standInForEditor(theme, (message) => window.profilerHost.receive(message));
window.profilerHost = new RpcServer<ProfilerViewContract>(send, {
  'view-ready': () => state,
  'generation-profile': () => ({}),
  'model-load': () => ({}),
  'chat-show': () => ({}),
  'profile-export': ({ format }) => ({ fileName: `profile.${format}` }),
  'profile-open': () => ({}),
  'live-show': () => ({ ...state, source: { kind: 'live' } }),
});
