/** `<glm-speed-line>`: decode speed with its curve, time to first token, and how full the context is. */

import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { baseStyles } from '../../common/baseStyles';
import { cssProperties } from '../../common/cssProperties';
import { formatContext, formatCount, formatDuration, formatSpeed } from '../../common/numberFormat';
import { numSpeedsKept } from '../state/chatState';
import './sparkline';

/** Above this share of the context a new answer may soon be cut. */
export const fullContextFraction = 0.9;

@customElement('glm-speed-line')
export class SpeedLine extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: flex;
        align-items: center;
        gap: 10px;
        min-height: 20px;
        font-size: 12px;
        white-space: nowrap;
      }
      glm-sparkline {
        flex: 1;
        min-width: 24px;
        max-width: 220px;
      }
      .speed {
        font-weight: 600;
      }
      .context {
        display: flex;
        align-items: center;
        gap: 5px;
        margin-inline-start: auto;
      }
      .meter {
        width: 26px;
        height: 5px;
        border-radius: 3px;
        overflow: hidden;
        background: color-mix(in srgb, var(--vscode-foreground) 16%, transparent);
      }
      .fill {
        height: 100%;
        background: var(--vscode-charts-green);
      }
      .full .fill {
        background: var(--vscode-charts-red);
      }
    `,
  ];

  /** False before the first answer of a conversation: there is nothing to measure yet. */
  @property({ type: Boolean }) hasAnswer = false;
  @property({ attribute: false }) tokensPerSecond: number | undefined;
  @property({ attribute: false }) ttftMs: number | undefined;
  @property({ attribute: false }) speeds: readonly number[] = [];
  @property({ attribute: false }) contextUsedTokens: number | undefined;
  @property({ attribute: false }) contextTokens = 0;

  override render(): TemplateResult {
    const fraction = Math.min(1, (this.contextUsedTokens ?? 0) / Math.max(1, this.contextTokens));
    const contextTitle = `Context: ${this.contextUsedTokens?.toLocaleString('en-US') ?? 'n/a'} of ${this.contextTokens.toLocaleString('en-US')} allocated tokens`;
    return html`
      ${this.hasAnswer
        ? html`<span class="speed numbers" data-test="speed" title="Decode speed of the latest answer, without its prefill">${formatSpeed(this.tokensPerSecond)}</span>`
        : html`<span class="muted">No answer yet</span>`}
      <glm-sparkline ?hidden=${this.speeds.length < 2} .values=${this.speeds} .numPlaces=${numSpeedsKept} .label=${`Decode speed, latest ${formatSpeed(this.tokensPerSecond)}`}></glm-sparkline>
      ${this.hasAnswer ? html`<span class="numbers muted" title="Time from sending to the first token of the latest answer">TTFT ${formatDuration(this.ttftMs)}</span>` : nothing}
      <span class="context numbers ${fraction >= fullContextFraction ? 'full' : ''}" title=${contextTitle} data-test="context">
        <span class="meter" role="meter" aria-label=${contextTitle} aria-valuemin="0" aria-valuemax=${this.contextTokens} aria-valuenow=${this.contextUsedTokens ?? 0}>
          <span class="fill" ${cssProperties({ display: 'block', width: `${(fraction * 100).toFixed(1)}%` })}></span>
        </span>
        <span class="muted">${formatCount(this.contextUsedTokens)}/${formatContext(this.contextTokens)}</span>
      </span>
    `;
  }
}
