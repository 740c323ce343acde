/** `<glm-alignment-notices>`: tensors that were not where their consumer is, each once, with its cost and its fix. */

import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { formatBytes } from '../../../src/common/byteFormat';
import type { AlignmentMessage } from '../../../src/common/alignment';
import { baseStyles } from '../../common/baseStyles';
import { formatDuration } from '../../common/numberFormat';
import { askHost } from '../viewRequest';
import { nextStepButtons } from './nextSteps';
import './notice';

@customElement('glm-alignment-notices')
export class AlignmentNotices extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: flex;
        flex-direction: column;
        gap: 6px;
        max-height: 38vh;
        overflow-y: auto;
      }
      .cost {
        font-size: 11px;
        margin-top: 2px;
      }
      code {
        font-family: var(--vscode-editor-font-family, monospace);
        font-size: 0.92em;
      }
      .row {
        display: flex;
        flex-wrap: wrap;
        gap: 6px;
      }
    `,
  ];

  @property({ attribute: false }) messages: readonly AlignmentMessage[] = [];

  override render(): TemplateResult {
    return html`${this.messages.map((message) => this.renderMessage(message))}`;
  }

  private renderMessage(message: AlignmentMessage): TemplateResult {
    // The engine's own words tell bytes and times; what they leave out stands below.
    const cost = /\b(Cost|Saved): /.test(message.message) ? (message.state === 'fixed' ? 'Fixed' : '') : describeCost(message);
    return html`
      <glm-notice
        kind=${message.state === 'fixed' ? 'fixed' : 'warning'}
        role="status"
        data-test="alignment"
        ?hasActions=${message.next.length > 0}
        .onDismiss=${() => askHost(this, 'alignment-dismiss', { key: message.key })}
      >
        <div>${message.simulated === true && !message.message.endsWith('(simulated)') ? 'Simulated: ' : ''}${withCode(message.message)}</div>
        ${cost === '' ? nothing : html`<div class="cost muted numbers">${cost}</div>`}
        <div slot="actions" class="row">${nextStepButtons(this, message.next)}</div>
      </glm-notice>
    `;
  }
}

/** Text between backticks as code. */
function withCode(text: string): readonly (TemplateResult | string)[] {
  return text.split('`').map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : part));
}

/** Only what was measured; `Fixed · 32.0 KiB per token · 0.4 ms per token measured`. */
export function describeCost(message: AlignmentMessage): string {
  return [
    message.state === 'fixed' ? 'Fixed' : '',
    message.bytesPerToken === undefined ? '' : `${formatBytes(message.bytesPerToken)} per token`,
    message.costMsPerToken === undefined ? '' : `${formatDuration(message.costMsPerToken)} per token measured`,
  ]
    .filter((part) => part !== '')
    .join(' · ');
}
