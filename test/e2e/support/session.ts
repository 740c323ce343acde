/** A served VS Code with the packaged extension installed, and a browser on it. Everything lies in one scratch folder. */

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser, type Frame, type Locator, type Page } from 'playwright-core';
import type { ChatState } from '../../../webview/chat/state/chatState';
import { freePort, installVsix, prepareRun, startServer, type RunningServer } from '../../../tools/vscodeServer.mjs';
import { Palette, write } from './palette';
import { processesOf } from './processes';

/** Where conversations lie, within a run's folder. */
export const conversationFolder = 'user/User/globalStorage/glm-local.glm-local/conversations';

export interface Violation {
  readonly directive: string;
  readonly blocked: string;
  readonly sample: string;
}

export interface SessionOptions {
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly viewport?: { readonly width: number; readonly height: number };
  readonly deviceScaleFactor?: number;
}

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') {
    throw new Error(`${name} is not set: run this through npm run test:e2e.`);
  }
  return value;
}

export class Session {
  readonly palette: Palette;

  private constructor(
    readonly folder: string,
    readonly workspace: string,
    private readonly server: RunningServer,
    private readonly browser: Browser,
    readonly page: Page,
    /** Breaches of the content policy in the extension's own pages. */
    readonly violations: Violation[],
    /** Uncaught errors in the extension's own pages. */
    readonly pageErrors: string[],
  ) {
    this.palette = new Palette(page);
  }

  /** @param prepare Called with the run's folder before VS Code starts. */
  static async start(name: string, options: SessionOptions = {}, prepare: (folder: string) => void = () => undefined): Promise<Session> {
    const folder = join(required('GLM_E2E_WORK'), name);
    const workspace = join(folder, 'workspace');
    mkdirSync(workspace, { recursive: true });
    cpSync('examples', workspace, { recursive: true });
    prepareRun(folder, { 'workbench.reduceMotion': 'on', ...options.settings });
    const paths = { node: required('GLM_E2E_NODE'), entry: required('GLM_E2E_ENTRY') };
    installVsix(paths, folder, required('GLM_E2E_VSIX'));
    prepare(folder);
    const server = await startServer(paths, folder, { port: await freePort() });
    const browser = await chromium.launch({
      executablePath: required('GLM_E2E_BROWSER'),
      args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    });
    const context = await browser.newContext({ viewport: options.viewport ?? { width: 1280, height: 800 }, deviceScaleFactor: options.deviceScaleFactor ?? 1 });
    const page = await context.newPage();
    const violations: Violation[] = [];
    const pageErrors: string[] = [];
    await page.exposeFunction('glmReportViolation', (violation: Violation) => void violations.push(violation));
    await page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        // The workbench's own pages have policies of their own; ours carries the toolkit's nonce property.
        if (document.querySelector('meta[property="csp-nonce"]') !== null) {
          const report = (globalThis as unknown as { glmReportViolation: (violation: unknown) => void }).glmReportViolation;
          report({ directive: event.effectiveDirective, blocked: event.blockedURI, sample: event.sample });
        }
      });
    });
    page.on('pageerror', (error) => {
      if (/webview\/(chat|profiler|report)\.js/.test(error.stack ?? '')) {
        pageErrors.push(String(error));
      }
    });
    const session = new Session(folder, workspace, server, browser, page, violations, pageErrors);
    await session.open();
    return session;
  }

  /** Opens (or reloads) the workbench and waits until it can be used. */
  async open(): Promise<void> {
    await this.page.goto(`${this.server.address}/?folder=${encodeURIComponent(this.workspace)}`);
    await this.page.locator('.activitybar').waitFor({ timeout: 60_000 });
  }

  async openChat(): Promise<Frame> {
    // A click on the tab of the view that is already open would close it.
    await this.page.locator('.activitybar [role=tab][aria-selected=true]').first().waitFor();
    const tab = this.page.locator('.activitybar').getByRole('tab', { name: 'GLM' });
    await tab.waitFor();
    if ((await tab.getAttribute('aria-selected')) !== 'true') {
      await tab.click();
    }
    return this.chatFrame();
  }

  /** The page of the chat view; it is a new one after each time the view was hidden. */
  chatFrame(): Promise<Frame> {
    return this.frameWith('glm-chat');
  }

  /** The extension's page that holds this element, once it is there. */
  async frameWith(element: string, timeoutMs = 30_000): Promise<Frame> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      for (const frame of this.page.frames()) {
        const found = await frame.locator(element).count().catch(() => 0);
        if (found > 0) {
          return frame;
        }
      }
      if (Date.now() > deadline) {
        throw new Error(`No page with ${element} appeared.`);
      }
      await this.page.waitForTimeout(100);
    }
  }

  /** Clicks until the click is seen to have worked, wherever the element lies by then: a click with the mouse waits until nothing moves. What is gone is not clicked. */
  async clickUntil(element: () => Locator | Promise<Locator>, worked: () => boolean | Promise<boolean>, timeoutMs = 60_000): Promise<void> {
    await (await element()).first().waitFor({ timeout: timeoutMs });
    for (const deadline = Date.now() + timeoutMs; !(await worked()); ) {
      if (Date.now() > deadline) {
        throw new Error(`A click on ${String(await element())} did nothing.`);
      }
      const target = (await element()).first();
      if ((await target.count()) > 0) {
        await target.dispatchEvent('click', undefined, { timeout: 1000 }).catch(() => undefined);
      }
      for (const until = Date.now() + 1000; Date.now() < until && !(await worked()); ) {
        await this.page.waitForTimeout(50);
      }
    }
  }

  /** Cancels what reports its progress under this title, once the progress reads as expected. */
  async cancelProgress(title: string, when: RegExp, timeoutMs = 60_000): Promise<void> {
    const toast = this.page.locator('.notifications-toasts .notification-list-item').filter({ hasText: title });
    for (const deadline = Date.now() + timeoutMs; !when.test(await toast.innerText({ timeout: 1000 }).catch(() => '')); await this.page.waitForTimeout(50)) {
      if (Date.now() > deadline) {
        throw new Error(`The progress of ${title} never read ${when}.`);
      }
    }
    await this.clickUntil(() => toast.getByRole('button', { name: 'Cancel' }), async () => (await toast.getByRole('button', { name: 'Cancel' }).count()) === 0, timeoutMs);
  }

  /** Whether an editor with this name is in front. */
  async isInFront(name: string): Promise<boolean> {
    return (await this.page.locator('.tab.active').filter({ hasText: name }).count()) > 0;
  }

  /**
   * Changes user settings and opens the window anew: the served editor, which has no native file watcher, reads them only then.
   * About one window in forty opens with what the file held before, and keeps it; it is opened again until `isRead`.
   */
  async reopenWith(settings: Readonly<Record<string, unknown>>, isRead: () => Promise<boolean>): Promise<void> {
    const file = join(this.folder, 'user/User/settings.json');
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), ...settings }, undefined, 2));
    for (let attempt = 0; attempt < 4; attempt += 1) {
      await this.open();
      await this.openChat();
      for (const until = Date.now() + 15_000; Date.now() < until; await this.page.waitForTimeout(100)) {
        if (await isRead()) {
          return;
        }
      }
    }
    throw new Error(`The window did not read ${JSON.stringify(settings)}.`);
  }

  /** Everything of the chat view with this mark, open shadow roots included. */
  async inChat(mark: string): Promise<Locator> {
    return (await this.chatFrame()).locator(`[data-test="${mark}"]`);
  }

  /** A file of the installed extension. */
  extensionPath(name: string): string {
    const folder = readdirSync(join(this.folder, 'ext')).find((entry) => entry.startsWith('glm-local.glm-local-'));
    return join(this.folder, 'ext', folder ?? 'none', name);
  }

  stopServer(): Promise<void> {
    return this.server.stop();
  }

  /** The conversation that the view shows. */
  async conversationId(): Promise<string | undefined> {
    return (await this.chatFrame()).evaluate(() => {
      const chat = document.querySelector('glm-chat') as { readonly store?: { readonly state: ChatState } } | null;
      return chat?.store?.state.conversation.id;
    });
  }

  /**
   * Begins a new conversation and waits until the view shows it: a question asked earlier goes to the one before, which it then replaces.
   * The palette closes well before a command has run, the first time above all, when the editor asks for its activation; and that no answer is shown may have been so before.
   */
  async newChat(begin: () => Promise<void> = () => this.palette.run('GLM: New Chat')): Promise<void> {
    const before = await this.conversationId();
    await begin();
    for (const deadline = Date.now() + 60_000; [before, undefined].includes(await this.conversationId().catch(() => undefined)); await this.page.waitForTimeout(50)) {
      if (Date.now() > deadline) {
        throw new Error('No new conversation was begun.');
      }
    }
  }

  async ask(text: string): Promise<void> {
    const composer = await this.inChat('composer');
    await write(composer, text);
    // The palette gives the focus back a moment after it has closed, and a key pressed meanwhile goes elsewhere.
    for (const deadline = Date.now() + 30_000; (await composer.inputValue()) === text; await this.page.waitForTimeout(50)) {
      if (Date.now() > deadline) {
        throw new Error(`"${text}" was not sent.`);
      }
      await composer.press('Enter');
    }
  }

  get statusBarItem(): Locator {
    return this.page.locator('.statusbar-item[id="glm-local.glm-local.glm.status"]');
  }

  async openFile(name: string): Promise<void> {
    const input = await this.palette.open('Control+P');
    await write(input, name);
    await this.palette.choose(name, () => input.isVisible());
    const lines = this.page.locator('.monaco-editor .view-lines').first();
    await lines.waitFor();
    await lines.click({ position: { x: 300, y: 5 } });
  }

  /** Drags the right edge of the side bar. */
  async dragSideBarTo(x: number): Promise<void> {
    const box = await this.page.locator('.part.sidebar').boundingBox();
    const from = (box?.x ?? 48) + (box?.width ?? 300);
    await this.page.mouse.move(from, 400);
    await this.page.mouse.down();
    await this.page.mouse.move((from + x) / 2, 400, { steps: 4 });
    await this.page.mouse.move(x, 400, { steps: 4 });
    await this.page.mouse.up();
  }

  async chooseTheme(name: string): Promise<void> {
    await this.palette.run('Preferences: Color Theme');
    const input = this.page.locator('.quick-input-widget input').first();
    await input.fill(name.replace('Default ', ''));
    await this.page.waitForTimeout(400);
    await this.page.keyboard.press('Enter');
    await this.page.waitForTimeout(600);
  }

  /** Process ids of running bundles of the extension, such as `engineWorker.js`. */
  processes(bundle: string): readonly number[] {
    return processesOf(bundle, this.folder);
  }

  /** Saves a picture and the server's output, and prints what the chat holds, which is all that is left of a failure on another machine. */
  async saveEvidence(name: string): Promise<void> {
    mkdirSync('test/e2e/out', { recursive: true });
    await this.page.screenshot({ path: `test/e2e/out/${name}.png` }).catch(() => undefined);
    writeFileSync(`test/e2e/out/${name}-server.txt`, this.server.output());
    process.stdout.write(`${name}: ${JSON.stringify(await this.describeChat())}\n`);
  }

  /** What each page of the chat view shows and what lies on disk. */
  private async describeChat(): Promise<object> {
    const pages = await Promise.all(
      this.page.frames().map((frame) =>
        frame
          .evaluate(() => {
            const chat = document.querySelector('glm-chat') as { readonly store?: { readonly state: ChatState }; readonly memoryKeeper?: { readonly memory: object } } | null;
            const state = chat?.store?.state;
            return state && { connection: state.connection, problem: state.problem, model: state.model.kind, conversation: state.conversation.id, numTurns: state.conversation.turns.length, memory: chat.memoryKeeper?.memory };
          })
          .catch(String),
      ),
    );
    const folder = join(this.folder, conversationFolder);
    const files = existsSync(folder) ? readdirSync(folder).map((file) => `${file} ${statSync(join(folder, file)).size}`) : [];
    return { pages: pages.filter((shown) => shown !== undefined), files, engines: this.processes('engineWorker.js') };
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.server.stop();
  }
}

/** The text of each element, open shadow roots included, which innerText does not look into. */
export function textsIn(locator: Locator): Promise<readonly string[]> {
  return locator.evaluateAll((elements) => {
    const textIn = (node: Node): string =>
      node.nodeType === Node.TEXT_NODE ? (node.textContent ?? '') : ['STYLE', 'SCRIPT'].includes(node.nodeName) ? '' : [...((node as Element).shadowRoot?.childNodes ?? []), ...node.childNodes].map(textIn).join(' ');
    return elements.map((element) => textIn(element).replaceAll(/\s+/g, ' ').trim());
  });
}
