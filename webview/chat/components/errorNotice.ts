/** `<glm-error-notice>`: an error as what, why and next, with its technical side folded away. */

import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import type { SerializedError } from '../../../src/common/errors';
import { baseStyles } from '../../common/baseStyles';
import { askHost } from '../viewRequest';
import { nextStepButtons } from './nextSteps';
import './notice';

@customElement('glm-error-notice')
export class ErrorNotice extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
      }
      .title {
        font-weight: 600;
        margin-bottom: 2px;
      }
      details {
        margin-top: 4px;
        font-size: 11px;
      }
      summary {
        cursor: pointer;
        color: var(--glm-muted);
      }
      pre {
        margin: 4px 0 0;
        white-space: pre-wrap;
        overflow-wrap: anywhere;
        font-family: var(--vscode-editor-font-family, monospace);
        max-height: 160px;
        overflow-y: auto;
      }
      .row {
        display: flex;
        flex-wrap: wrap;
        gap: 6px;
      }
    `,
  ];

  /** A short headline such as "Loading GLM-4-9B failed". */
  @property() headline = '';
  @property({ attribute: false }) error: SerializedError | undefined;
  @property({ attribute: false }) onDismiss: (() => void) | undefined;

  override render(): TemplateResult | typeof nothing {
    const { error } = this;
    if (error === undefined) {
      return nothing;
    }
    const technical = describeTechnically(error);
    return html`
      <glm-notice kind="error" role="alert" .onDismiss=${this.onDismiss} ?hasActions=${true}>
        ${this.headline === '' ? nothing : html`<div class="title">${this.headline}</div>`}
        <div>${error.message}</div>
        <details>
          <summary>Details (${error.code})</summary>
          <pre tabindex="0">${technical}</pre>
        </details>
        <div slot="actions" class="row">
          <slot name="actions"></slot>
          ${nextStepButtons(this, error.next)}
          <button class="link" @click=${() => askHost(this, 'code-copy', { text: `${error.message}\n${technical}` })}>Copy error</button>
        </div>
      </glm-notice>
    `;
  }
}

/** Code, fields, causes and stack as text, for a bug report. */
export function describeTechnically(error: SerializedError): string {
  const fields = Object.entries(error.fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${Array.isArray(value) ? value.join('\n  ') : String(value)}`);
  const cause = error.cause === undefined ? [] : [`caused by ${error.cause.code}: ${error.cause.message}`, describeTechnically(error.cause)];
  return [`code: ${error.code}`, ...fields, ...(error.stack === undefined ? [] : [error.stack]), ...cause].join('\n');
}
