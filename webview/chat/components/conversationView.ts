/** `<glm-conversation>`: the turns, scrolled to the newest line unless the user scrolled away. */

import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { repeat } from 'lit/directives/repeat.js';
import type { ConversationTurn } from '../../../src/common/protocol/webview';
import { baseStyles } from '../../common/baseStyles';
import { icon } from '../../common/codicons';
import { initialState, type ChatState } from '../state/chatState';
import { readinessToSend } from '../state/sendReadiness';
import { spokenAnswer } from '../state/spokenAnswer';
import type { ScrollPlace } from '../state/viewMemory';
import './answerTurn';
import './emptyState';
import './questionTurn';

/** Turns shown at first; the earlier ones come when asked for. */
const numTurnsShown = 60;
/** This close to the end counts as being there. */
const nearEndPx = 24;

@customElement('glm-conversation')
export class ConversationView extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
        position: relative;
        min-height: 0;
      }
      .scroller {
        height: 100%;
        overflow-y: auto;
        overflow-x: hidden;
        outline-offset: -1px;
        overflow-anchor: auto;
      }
      .turns {
        display: flex;
        flex-direction: column;
        gap: 12px;
        padding: 12px;
        max-width: 860px;
        margin: 0 auto;
      }
      .latest {
        position: absolute;
        inset-block-end: 10px;
        inset-inline-start: 50%;
        transform: translateX(-50%);
        display: flex;
        align-items: center;
        gap: 5px;
        padding: 3px 10px 3px 7px;
        font-size: 12px;
        border-radius: 12px;
        color: var(--vscode-foreground);
        border: 1px solid var(--vscode-widget-border, var(--vscode-contrastBorder, var(--vscode-panel-border)));
        background: var(--vscode-editorWidget-background);
        box-shadow: 0 2px 8px var(--vscode-widget-shadow, transparent);
      }
      .earlier {
        align-self: center;
      }
    `,
  ];

  @property({ attribute: false }) chat: ChatState = initialState;
  /** Where to begin, from before the view was hidden. */
  @property({ attribute: false }) rememberedScroll: ScrollPlace | undefined;
  @property({ attribute: false }) onScrolled: (scroll: ScrollPlace | undefined) => void = () => {};

  @state() private followsEnd = true;
  @state() private showsAll = false;
  @query('.scroller') private readonly scroller!: HTMLElement;

  private lastTopPx = 0;
  private placeTimer: ReturnType<typeof setTimeout> | undefined;
  private conversationId = '';
  private wantedPlace: ScrollPlace | undefined;
  private observedTurns: Element | null = null;
  /** Follows every change of height at the one moment when the layout is known anyway: before the paint. */
  private readonly sizes = new ResizeObserver(() => this.scrollToEnd());

  override render(): TemplateResult {
    const { conversation, finishedTurn } = this.chat;
    const { turns } = conversation;
    const hidden = this.showsAll ? 0 : Math.max(0, turns.length - numTurnsShown);
    return html`
      <div class="scroller" tabindex="-1" role="region" aria-label="Conversation" @scroll=${this.onScroll} @wheel=${this.onWheel}>
        ${this.chat.connection === 'connecting'
          ? nothing
          : turns.length === 0 && this.chat.generation === undefined
          ? html`<glm-empty-state
              .model=${this.chat.model}
              .choices=${this.chat.choices}
              ?canSend=${readinessToSend(this.chat).canSend}
            ></glm-empty-state>`
          : html`<div class="turns">
              ${hidden === 0 ? nothing : html`<button class="link earlier" @click=${() => (this.showsAll = true)}>Show ${hidden} earlier messages</button>`}
              ${repeat(
                hidden === 0 ? turns : turns.slice(hidden),
                (turn) => turn.id,
                (turn) => this.renderTurn(turn),
              )}
              ${this.renderPending(turns)}
            </div>`}
      </div>
      ${this.followsEnd ? nothing : html`<button class="plain latest" data-test="jump" @click=${this.jumpToEnd}>${icon('arrow-down')}Jump to latest</button>`}
      <div class="visually-hidden" role="log" aria-live="polite" aria-label="Finished answers">${finishedTurn === undefined ? '' : spokenEnd(finishedTurn)}</div>
    `;
  }

  override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('chat') && this.chat.conversation.id !== this.conversationId) {
      this.conversationId = this.chat.conversation.id;
      this.showsAll = false;
      const remembered = this.rememberedScroll?.conversationId === this.conversationId ? this.rememberedScroll : undefined;
      this.followsEnd = remembered === undefined;
      this.wantedPlace = remembered;
    }
    const previous = changed.get('chat');
    const newQuestion = this.chat.conversation.turns.length > (previous?.conversation.turns.length ?? 0) && this.chat.generation !== undefined && previous?.generation === undefined;
    if (newQuestion && previous?.conversation.id === this.chat.conversation.id) {
      this.followsEnd = true;
    }
  }

  override updated(): void {
    if (this.wantedPlace !== undefined) {
      const place = this.wantedPlace;
      this.wantedPlace = undefined;
      // Turns out of sight have estimated heights only; each frame that shows some of them makes the place more exact.
      this.returnTo(place, 4);
    }
    const turns = this.renderRoot.querySelector('.turns');
    if (turns !== this.observedTurns) {
      this.sizes.disconnect();
      this.observedTurns = turns;
      if (turns !== null) {
        this.sizes.observe(turns);
      }
    }
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.sizes.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.sizes.disconnect();
    this.observedTurns = null;
  }

  private renderTurn(turn: ConversationTurn): TemplateResult {
    const { chat } = this;
    const isBusy = chat.generation !== undefined;
    const isUnderWay = chat.generation?.turnId === turn.id;
    if (turn.role === 'user') {
      return html`<article aria-label="You" data-turn=${turn.id}><glm-question .turn=${turn} ?isBusy=${isBusy}></glm-question></article>`;
    }
    return html`<article aria-label="GLM" data-turn=${turn.id} aria-busy=${isUnderWay ? 'true' : 'false'}>
      <glm-answer
        .turn=${turn}
        .generation=${isUnderWay ? chat.generation : undefined}
        .live=${chat.live?.turnId === turn.id ? chat.live : undefined}
        ?isBusy=${isBusy}
        currentModelName=${chat.model.kind === 'ready' ? chat.model.model.description.name : ''}
      ></glm-answer>
    </article>`;
  }

  /** A generation whose turn has not come yet. */
  private renderPending(turns: readonly ConversationTurn[]): TemplateResult | typeof nothing {
    const { generation } = this.chat;
    if (generation === undefined || turns.some((turn) => turn.id === generation.turnId)) {
      return nothing;
    }
    return this.renderTurn({ id: generation.turnId, role: 'assistant', text: '' });
  }

  private returnTo(place: ScrollPlace, numFrames: number): void {
    const turn = [...this.renderRoot.querySelectorAll<HTMLElement>('article')].find((article) => article.dataset['turn'] === place.turnId);
    if (turn !== undefined && numFrames > 0) {
      this.scroller.scrollTop += turn.getBoundingClientRect().top - this.scroller.getBoundingClientRect().top + place.abovePx;
      requestAnimationFrame(() => this.returnTo(place, numFrames - 1));
    }
  }

  /** The first turn that is in sight, and how much of it is above. */
  private currentPlace(): ScrollPlace | undefined {
    const top = this.scroller.getBoundingClientRect().top;
    const turn = [...this.renderRoot.querySelectorAll<HTMLElement>('article')].find((article) => article.getBoundingClientRect().bottom > top);
    return turn === undefined ? undefined : { conversationId: this.conversationId, turnId: turn.dataset['turn'] ?? '', abovePx: Math.round(top - turn.getBoundingClientRect().top) };
  }

  private scrollToEnd(): void {
    if (this.followsEnd) {
      this.scroller.scrollTop = this.scroller.scrollHeight;
      this.lastTopPx = this.scroller.scrollTop;
    }
  }

  private rememberPlace(): void {
    if (this.conversationId !== '' && this.isConnected) {
      this.onScrolled(this.followsEnd ? undefined : this.currentPlace());
    }
  }

  private readonly jumpToEnd = (): void => {
    this.followsEnd = true;
    this.scrollToEnd();
    this.onScrolled(undefined);
    this.scroller.focus({ preventScroll: true });
  };

  private readonly onWheel = (event: WheelEvent): void => {
    // Before the scroll event: otherwise the next delta could pull the view back first.
    if (event.deltaY < 0 && this.scroller.scrollTop > 0) {
      this.followsEnd = false;
    }
  };

  private readonly onScroll = (): void => {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    if (scrollHeight - scrollTop - clientHeight > nearEndPx) {
      this.followsEnd &&= scrollTop >= this.lastTopPx - 1;
    } else if (scrollTop > this.lastTopPx) {
      // Only a way down leads to following again: the end also comes near when text above turns out shorter than estimated.
      this.followsEnd = true;
    }
    this.lastTopPx = scrollTop;
    clearTimeout(this.placeTimer);
    this.placeTimer = setTimeout(() => this.rememberPlace(), 120);
  };
}

function spokenEnd(turn: ConversationTurn): string {
  if (turn.error !== undefined) {
    return `The answer failed: ${turn.error.message}`;
  }
  return turn.figures?.stopReason === 'cancelled' ? `Stopped. ${spokenAnswer(turn.text)}` : `GLM: ${spokenAnswer(turn.text)}`;
}
