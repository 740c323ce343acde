/** `<glm-chat>`: the whole view. Takes states from the store, hands slices down, and sends what components ask for to the host. */

import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { serializeError } from '../../../src/common/errors';
import { baseStyles } from '../../common/baseStyles';
import type { HostConnection } from '../hostConnection';
import { initialState, type ChatState } from '../state/chatState';
import type { ChatStore } from '../state/chatStore';
import { readinessToSend } from '../state/sendReadiness';
import { emptyMemory, type PanelName, type ViewMemory, type ViewMemoryKeeper } from '../state/viewMemory';
import { viewRequestEvent, type ViewRequest } from '../viewRequest';
import './chatHeader';
import './composer';
import type { Composer } from './composer';
import './conversationView';
import './errorNotice';
import './historyPanel';
import './notice';
import './settingsPanel';
import { fullContextFraction } from './speedLine';

@customElement('glm-chat')
export class ChatApp extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: flex;
        flex-direction: column;
        height: 100vh;
        overflow: hidden;
        --glm-muted: var(--vscode-descriptionForeground);
        /* The theme's red alone is too pale for small text on a light side bar. */
        --glm-error-text: color-mix(in srgb, var(--vscode-errorForeground) 60%, var(--vscode-foreground));
        font-family: var(--vscode-font-family);
        font-size: var(--vscode-font-size);
        color: var(--vscode-sideBar-foreground, var(--vscode-foreground));
      }
      /* High contrast themes thin the description colour out; contrast matters more there. */
      :host-context(.vscode-high-contrast),
      :host-context(.vscode-high-contrast-light) {
        --glm-muted: var(--vscode-foreground);
      }
      main {
        flex: 1;
        min-height: 0;
        display: flex;
        flex-direction: column;
      }
      main > * {
        flex: 1;
        min-height: 0;
      }
      .notice {
        margin: 6px 12px 0;
      }
    `,
  ];

  @property({ attribute: false }) store: ChatStore | undefined;
  @property({ attribute: false }) host: HostConnection | undefined;
  @property({ attribute: false }) memoryKeeper: ViewMemoryKeeper | undefined;
  @state() private chat: ChatState = initialState;
  @state() private memory: ViewMemory = emptyMemory;
  @query('glm-composer') private readonly composer!: Composer | null;

  private endings: (() => void)[] = [];

  override connectedCallback(): void {
    super.connectedCallback();
    this.memory = this.memoryKeeper?.memory ?? emptyMemory;
    this.chat = this.store?.state ?? initialState;
    this.endings = [
      this.store?.subscribe((chat) => (this.chat = chat)) ?? (() => {}),
      this.host?.on('composer-focus', ({ text }) => {
        this.remember({ panel: undefined });
        void this.updateComplete.then(() => this.composer?.focusWith(text));
      }) ?? (() => {}),
    ];
    this.addEventListener(viewRequestEvent, this.onRequest);
    this.addEventListener('keydown', this.onKey);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.endings.forEach((end) => end());
    this.removeEventListener(viewRequestEvent, this.onRequest);
    this.removeEventListener('keydown', this.onKey);
  }

  override render(): TemplateResult {
    const { chat, memory } = this;
    return html`
      <glm-chat-header
        role="region"
        aria-label="Model and devices"
        .chat=${chat}
        .openDevices=${memory.openDevices}
        .panel=${memory.panel}
        .onPanel=${this.togglePanel}
        .onOpenDevices=${this.rememberDevices}
      ></glm-chat-header>
      <main><h1 class="visually-hidden">GLM chat</h1>${this.renderMain()}</main>
      ${memory.panel === undefined
        ? html`
            ${this.renderProblem()} ${this.renderFullContext()}
            <glm-composer
              role="region"
              aria-label="Message"
              .readiness=${readinessToSend(chat)}
              ?isGenerating=${chat.generation !== undefined}
              .attachments=${chat.attachments}
              .mode=${chat.settings.mode}
              .draft=${memory.draft}
              .onDraft=${this.rememberDraft}
              .onSend=${this.send}
              .onSettings=${this.openSettings}
            ></glm-composer>
          `
        : this.renderProblem()}
    `;
  }

  private renderMain(): TemplateResult {
    const { chat, memory } = this;
    switch (memory.panel) {
      case 'history':
        return html`<glm-history .entries=${chat.history} currentId=${chat.conversation.id} .nowMs=${Date.now()} .onClose=${this.closePanel}></glm-history>`;
      case 'settings':
        return html`<glm-settings .settings=${chat.settings} .model=${chat.model} .onClose=${this.closePanel}></glm-settings>`;
      case undefined:
        return html`<glm-conversation .chat=${chat} .rememberedScroll=${this.memoryKeeper?.memory.scroll} .onScrolled=${this.rememberScroll}></glm-conversation>`;
      default:
        return memory.panel satisfies never;
    }
  }

  private renderProblem(): TemplateResult | typeof nothing {
    const { problem } = this.chat;
    return problem === undefined
      ? nothing
      : html`<glm-error-notice class="notice" data-test="request-problem" .error=${problem.error} .onDismiss=${() => this.store?.dispatch({ kind: 'problem-dismissed' })}></glm-error-notice>`;
  }

  private renderFullContext(): TemplateResult | typeof nothing {
    const { contextUsedTokens, model } = this.chat;
    const contextTokens = model.kind === 'ready' ? model.model.contextTokens : undefined;
    if (contextUsedTokens === undefined || contextTokens === undefined || contextUsedTokens < contextTokens * fullContextFraction) {
      return nothing;
    }
    const left = Math.max(0, contextTokens - contextUsedTokens).toLocaleString('en-US');
    return html`<glm-notice class="notice" kind="warning" role="status" data-test="context-full" ?hasActions=${true}>
      The conversation fills ${Math.round((contextUsedTokens / contextTokens) * 100)} % of the context; ${left} tokens are left for the next question and answer.
      <vscode-button slot="actions" appearance="secondary" @click=${() => this.ask({ method: 'conversation-new', params: {} })}>New chat</vscode-button>
    </glm-notice>`;
  }

  private remember(change: Partial<ViewMemory>): void {
    this.memoryKeeper?.remember(change);
    this.memory = this.memoryKeeper?.memory ?? { ...this.memory, ...change };
  }

  // Fields rather than functions made per rendering: a new function would render the components anew with every delta.
  private readonly rememberDevices = (openDevices: readonly string[]): void => this.remember({ openDevices });
  private readonly rememberDraft = (draft: string): void => this.memoryKeeper?.remember({ draft });
  private readonly rememberScroll = (scroll: ViewMemory['scroll']): void => this.memoryKeeper?.remember({ scroll });
  private readonly send = (text: string): void => this.ask({ method: 'prompt-send', params: { text } });

  private readonly togglePanel = (panel: PanelName): void => {
    if (this.memory.panel === panel) {
      this.closePanel();
    } else {
      this.remember({ panel });
    }
  };

  private readonly openSettings = (): void => this.remember({ panel: 'settings' });

  private readonly closePanel = (): void => {
    this.remember({ panel: undefined });
    void this.updateComplete.then(() => this.composer?.focusWith(undefined));
  };

  private readonly onKey = (event: KeyboardEvent): void => {
    if (event.key === 'Escape' && this.chat.generation !== undefined) {
      event.preventDefault();
      this.ask({ method: 'generation-stop', params: {} });
    }
  };

  private readonly onRequest = (event: CustomEvent<ViewRequest>): void => {
    event.stopPropagation();
    this.ask(event.detail);
  };

  private ask({ method, params }: ViewRequest): void {
    if (this.chat.connection !== 'ready' || this.host === undefined) {
      return;
    }
    this.host.request(method, params).catch((error: unknown) => {
      const serialized = serializeError(error);
      if (serialized.code !== 'cancelled') {
        this.store?.dispatch({ kind: 'request-failed', problem: { method, error: serialized } });
      }
      if (method === 'prompt-send') {
        this.composer?.restoreDraft((params as { readonly text: string }).text);
      }
    });
  }
}
