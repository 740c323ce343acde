/** `<glm-answer>`: an answer of the model, under way or finished. */

import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import type { ConversationTurn, GenerationState } from '../../../src/common/protocol/webview';
import { baseStyles } from '../../common/baseStyles';
import { iconButton } from '../../common/iconButton';
import { formatSpeed } from '../../common/numberFormat';
import '../markdown/markdownView';
import type { LiveFigures } from '../state/chatState';
import { askHost } from '../viewRequest';
import './answerFigures';
import './confirmButton';
import './contextNotice';
import './errorNotice';
import './progressBar';
import './thinkingPart';

/** Shorter prefills are over before a bar could be read. */
const minTokensForPrefillBar = 512;

@customElement('glm-answer')
export class AnswerTurn extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
      }
      .waiting {
        display: flex;
        align-items: center;
        gap: 8px;
        color: var(--glm-muted);
      }
      vscode-progress-ring {
        width: 16px;
        height: 16px;
      }
      .prefill {
        flex: 1;
        max-width: 320px;
      }
      .end {
        display: flex;
        align-items: center;
        flex-wrap: wrap;
        gap: 0 8px;
        margin-top: 4px;
        min-height: 24px;
      }
      .tools {
        display: inline-flex;
        align-items: center;
        margin-inline-start: -4px;
      }
      glm-answer-figures {
        flex: 1 1 260px;
      }
      .live {
        font-size: 11px;
        color: var(--glm-muted);
        margin-top: 4px;
      }
      glm-error-notice,
      glm-context-notice {
        display: block;
        margin-top: 6px;
      }
      .completion {
        white-space: pre-wrap;
        overflow-wrap: anywhere;
        line-height: 1.5;
      }
    `,
  ];

  @property({ attribute: false }) turn: ConversationTurn | undefined;
  /** Set while this answer is under way. */
  @property({ attribute: false }) generation: GenerationState | undefined;
  @property({ attribute: false }) live: LiveFigures | undefined;
  /** While any answer is under way nothing can be changed. */
  @property({ type: Boolean }) isBusy = false;
  /** Name of the loaded model; another turn's model is named under it. */
  @property() currentModelName = '';
  @state() private hasCopied = false;

  override render(): TemplateResult | typeof nothing {
    const { turn } = this;
    if (turn === undefined) {
      return nothing;
    }
    const isUnderWay = this.generation !== undefined;
    const hasThinking = turn.thinking !== undefined && turn.thinking !== '';
    return html`
      ${hasThinking ? html`<glm-thinking .text=${turn.thinking ?? ''} ?isActive=${isUnderWay && turn.text === ''}></glm-thinking>` : nothing}
      ${turn.text === '' ? nothing : html`<glm-markdown data-test="answer-text" .text=${turn.text} .isFinished=${!isUnderWay}></glm-markdown>`}
      ${isUnderWay && turn.text === '' && !hasThinking ? this.renderWaiting(this.generation) : nothing}
      ${isUnderWay && this.live !== undefined
        ? html`<div class="live numbers">${this.live.generatedTokens.toLocaleString('en-US')} tokens · ${formatSpeed(this.live.tokensPerSecond)}${this.renderRoom(this.generation)}</div>`
        : nothing}
      ${turn.error === undefined ? nothing : html`<glm-error-notice data-test="answer-error" headline=${turn.text === '' ? 'No answer' : 'The answer was cut short'} .error=${turn.error}></glm-error-notice>`}
      <glm-context-notice .limit=${this.generation?.contextLimit} .generatedTokens=${this.live?.generatedTokens ?? 0} .figures=${turn.figures}></glm-context-notice>
      ${isUnderWay ? nothing : this.renderEnd(turn)}
    `;
  }

  /** How many tokens the context leaves for this answer, when it leaves fewer than were asked for. */
  private renderRoom(generation: GenerationState | undefined): string {
    const room = generation?.contextLimit?.roomTokens;
    return room === undefined ? '' : ` · context ends after ${room.toLocaleString('en-US')}`;
  }

  private renderWaiting(generation: GenerationState | undefined): TemplateResult {
    const { prefillDoneTokens, prefillTotalTokens } = generation ?? {};
    if (prefillTotalTokens === undefined || prefillTotalTokens < minTokensForPrefillBar) {
      return html`<div class="waiting" role="status"><vscode-progress-ring aria-hidden="true"></vscode-progress-ring>Reading the prompt …</div>`;
    }
    const done = prefillDoneTokens ?? 0;
    return html`<div class="waiting" data-test="prefill">
      <div class="prefill">
        <div class="numbers">Reading the prompt: ${done.toLocaleString('en-US')} of ${prefillTotalTokens.toLocaleString('en-US')} tokens</div>
        <glm-progress-bar .fraction=${done / prefillTotalTokens} label="Prefill"></glm-progress-bar>
      </div>
    </div>`;
  }

  private renderEnd(turn: ConversationTurn): TemplateResult {
    const busyHint = this.isBusy ? ' (stop the other answer first)' : '';
    const otherModel = turn.modelName === undefined || turn.modelName === this.currentModelName ? '' : turn.modelName;
    return html`
      <div class="end">
        <div class="tools" role="toolbar" aria-label="Answer">
          ${turn.text === '' ? nothing : iconButton(this.hasCopied ? 'check' : 'copy', this.hasCopied ? 'Copied' : 'Copy answer', this.copy, { testId: 'copy-answer' })}
          ${iconButton('refresh', `Regenerate${busyHint}`, () => askHost(this, 'answer-regenerate', { turnId: turn.id }), { disabled: this.isBusy, testId: 'regenerate' })}
          <glm-confirm-button label=${`Delete answer${busyHint}`} ?disabled=${this.isBusy} .onConfirm=${() => askHost(this, 'turn-delete', { turnId: turn.id })}></glm-confirm-button>
        </div>
        <glm-answer-figures .figures=${turn.figures} modelName=${otherModel}></glm-answer-figures>
      </div>
    `;
  }

  private readonly copy = (): void => {
    askHost(this, 'code-copy', { text: this.turn?.text ?? '' });
    this.hasCopied = true;
    setTimeout(() => (this.hasCopied = false), 1500);
  };
}
