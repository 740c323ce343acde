/** `<glm-answer-figures>`: the numbers under an answer. */

import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import type { AnswerFigures as Figures } from '../../../src/common/protocol/webview';
import { baseStyles } from '../../common/baseStyles';
import { formatCount, formatDuration, formatSpeed } from '../../common/numberFormat';

interface StopText {
  readonly text: string;
  readonly explanation: string;
  /** The answer did not end by itself. */
  readonly isCut: boolean;
}

const stopTexts: Readonly<Record<Figures['stopReason'], StopText>> = {
  eos: { text: 'complete', explanation: 'The model ended its answer.', isCut: false },
  'stop-string': { text: 'stop string', explanation: 'A stop string from the settings was reached.', isCut: false },
  length: { text: 'cut at max new tokens', explanation: 'Raise “Max new tokens” in the settings for longer answers.', isCut: true },
  context: { text: 'context full', explanation: 'The conversation fills the allocated context. Start a new chat or load the model with a larger context.', isCut: true },
  cancelled: { text: 'stopped', explanation: 'You stopped the answer.', isCut: false },
  error: { text: 'failed', explanation: 'The answer ended with an error.', isCut: true },
  'engine-lost': { text: 'engine lost', explanation: 'The engine stopped during the answer.', isCut: true },
};

@customElement('glm-answer-figures')
export class AnswerFigures extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
        font-size: 11px;
        color: var(--glm-muted);
        overflow: hidden;
      }
      /* Dots stand in front of the figures, and those at the beginning of a line outside of what is shown. */
      ul {
        display: flex;
        flex-wrap: wrap;
        margin: 0;
        margin-inline-start: -14px;
        padding: 0;
        list-style: none;
      }
      li {
        white-space: nowrap;
      }
      li::before {
        content: '·';
        display: inline-block;
        width: 14px;
        text-align: center;
      }
      /* Not a colour of charts: in many themes those are pale or see-through. */
      .cut {
        color: var(--glm-error-text);
      }
    `,
  ];

  @property({ attribute: false }) figures: Figures | undefined;
  /** Shown when it differs from the model now loaded. */
  @property() modelName = '';

  override render(): TemplateResult | typeof nothing {
    const { figures } = this;
    if (figures === undefined) {
      return nothing;
    }
    const stop = stopTexts[figures.stopReason];
    const reused = figures.reusedTokens > 0 ? ` (${formatCount(figures.reusedTokens)} reused)` : '';
    const prefill = figures.prefillTokensPerSecond === undefined ? '' : `, prefill ${formatSpeed(figures.prefillTokensPerSecond)}`;
    return html`
      <ul class="numbers" aria-label="Figures of this answer" data-test="figures">
        <li title=${`${figures.promptTokens.toLocaleString('en-US')} prompt tokens, ${figures.reusedTokens.toLocaleString('en-US')} of them already in the KV cache${prefill}`}
          >prompt ${formatCount(figures.promptTokens)}${reused}</li
        >
        <li title="Generated tokens">${figures.generatedTokens.toLocaleString('en-US')} ${figures.generatedTokens === 1 ? 'token' : 'tokens'}</li>
        <li title="Time to first token">TTFT ${formatDuration(figures.ttftMs)}</li>
        <li title="Decode speed, without prefill">${formatSpeed(figures.decodeTokensPerSecond)}</li>
        <li class=${stop.isCut ? 'cut' : ''} title=${stop.explanation} data-test="stop-reason">${stop.text}</li>
        ${this.modelName === '' ? nothing : html`<li>${this.modelName}</li>`}
      </ul>
    `;
  }
}
