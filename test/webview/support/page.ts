/** Entry of the script that stands in for the editor inside the page: theme, `acquireVsCodeApi`, and the fake host as `window.fakeHost`. */

import type { ViewState } from '../../../src/common/protocol/webview';
import { FakeHost } from './fakeHost';
import { scenarios, type ScenarioName } from './scenarios';

interface Setup {
  readonly scenario: ScenarioName;
  readonly theme: { readonly bodyClass: string; readonly data: Readonly<Record<string, string>>; readonly defaults?: string; readonly variables: Readonly<Record<string, string>> };
  readonly savedState?: unknown;
  readonly isDoorClosed?: boolean;
  /** Merged over the scenario. */
  readonly change?: Partial<ViewState>;
}

declare global {
  interface Window {
    fakeSetup: Setup;
    fakeHost: FakeHost;
    /** What the view saved last. */
    savedState: unknown;
    violations: string[];
    /** Messages that reached the view before it was ready. */
    numEarlyMessages: number;
  }
}

const setup = window.fakeSetup;
window.violations = [];
document.addEventListener('securitypolicyviolation', (event) => window.violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample} ${event.sourceFile}:${event.lineNumber}`));

for (const [name, value] of Object.entries(setup.theme.variables)) {
  document.documentElement.style.setProperty(name, value);
}
const defaults = new CSSStyleSheet();
defaults.replaceSync(`${setup.theme.defaults ?? ''} html { background: var(--vscode-sideBar-background); }`);
document.adoptedStyleSheets = [defaults];
const dressBody = (): void => {
  document.body.className = setup.theme.bodyClass;
  Object.assign(document.body.dataset, setup.theme.data);
};
if (document.body === null) {
  document.addEventListener('readystatechange', dressBody, { once: true });
} else {
  dressBody();
}

const copy = (value: unknown): unknown => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));
const host = new FakeHost((message) => setTimeout(() => window.postMessage(copy(message), '*'), 0), { ...(scenarios[setup.scenario] as ViewState), ...setup.change });
if (setup.isDoorClosed) {
  host.closeDoor();
}
window.fakeHost = host;
window.savedState = setup.savedState;
Object.assign(window, {
  acquireVsCodeApi: () => ({
    postMessage: (message: unknown) => {
      const sent = copy(message);
      setTimeout(() => host.receive(sent), 0);
    },
    getState: () => window.savedState,
    setState: (state: unknown) => {
      window.savedState = copy(state);
    },
  }),
});
