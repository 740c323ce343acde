/** What stands in for the editor around any of the panels: the theme, `acquireVsCodeApi`, and a record of what the panel asked and of policy violations. */

import { isRpcMessage, type RpcMessage } from '../../../src/common/protocol/rpc';

export interface PanelTheme {
  readonly bodyClass: string;
  readonly data: Readonly<Record<string, string>>;
  readonly defaults?: string;
  readonly variables: Readonly<Record<string, string>>;
}

declare global {
  interface Window {
    panelRequests: { method: string; params: unknown }[];
    panelState: unknown;
  }
}

/** Dresses the page, and hands what the panel posts to `receive`. @returns how to post to the panel. */
export function standInForEditor(theme: PanelTheme, receive: (message: RpcMessage) => void): (message: RpcMessage) => void {
  window.violations = [];
  window.panelRequests = [];
  document.addEventListener('securitypolicyviolation', (event) => window.violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
  for (const [name, value] of Object.entries(theme.variables)) {
    document.documentElement.style.setProperty(name, value);
  }
  const defaults = new CSSStyleSheet();
  defaults.replaceSync(`${theme.defaults ?? ''} html { background: var(--vscode-editor-background); }`);
  document.adoptedStyleSheets = [defaults];
  const dressBody = (): void => {
    document.body.className = theme.bodyClass;
    Object.assign(document.body.dataset, theme.data);
  };
  if (document.body === null) {
    document.addEventListener('readystatechange', dressBody, { once: true });
  } else {
    dressBody();
  }
  Object.assign(window, {
    acquireVsCodeApi: () => ({
      postMessage: (message: unknown) => {
        const sent: unknown = JSON.parse(JSON.stringify(message));
        if (isRpcMessage(sent) && sent.kind === 'request') {
          window.panelRequests.push({ method: sent.method, params: sent.params });
          setTimeout(() => receive(sent), 0);
        }
      },
      setState: (state: unknown) => {
        window.panelState = state;
      },
    }),
  });
  return (message) => void setTimeout(() => window.postMessage(JSON.parse(JSON.stringify(message)), '*'), 0);
}
