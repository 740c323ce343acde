/** Entry of the script that stands in for the editor around a benchmark report: theme, `acquireVsCodeApi`, and a host that remembers what it was asked. */

import type { CaseAgainstBaseline, ReportView, ReportViewContract } from '../../../src/common/protocol/reportView';
import { isRpcMessage, RpcServer, type RpcMessage } from '../../../src/common/protocol/rpc';

interface ReportSetup {
  readonly report: ReportView;
  /** By the baseline's index. */
  readonly comparisons: readonly (readonly CaseAgainstBaseline[])[];
  readonly theme: { readonly bodyClass: string; readonly data: Readonly<Record<string, string>>; readonly defaults?: string; readonly variables: Readonly<Record<string, string>> };
}

declare global {
  interface Window {
    reportSetup: ReportSetup;
    reportRequests: { method: string; params: unknown }[];
    reportState: unknown;
  }
}

const { report, comparisons, theme } = window.reportSetup;
window.violations = [];
window.reportRequests = [];
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

const send = (message: RpcMessage): void => void setTimeout(() => window.postMessage(JSON.parse(JSON.stringify(message)), '*'), 0);
const server = new RpcServer<ReportViewContract>(send, {
  'view-ready': () => report,
  'report-open': () => report,
  'baseline-choose': ({ caseIndex }) => ({ baselineIndex: caseIndex, comparisons: comparisons[caseIndex] ?? [] }),
  'report-copy': () => ({}),
  'report-export': ({ format }) => ({ fileName: `report.${format}` }),
  'history-show': () => ({}),
  'benchmark-run': () => ({}),
});
Object.assign(window, {
  acquireVsCodeApi: () => ({
    postMessage: (message: unknown) => {
      const sent: unknown = JSON.parse(JSON.stringify(message));
      if (isRpcMessage(sent) && sent.kind === 'request') {
        window.reportRequests.push({ method: sent.method, params: sent.params });
        setTimeout(() => server.receive(sent), 0);
      }
    },
    setState: (state: unknown) => {
      window.reportState = state;
    },
  }),
});
