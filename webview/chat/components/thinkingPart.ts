/** `<glm-thinking>`: the think part of a reasoning model, folded away; rendered only once it is opened. */

import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { baseStyles } from '../../common/baseStyles';
import { icon } from '../../common/codicons';
import '../markdown/markdownView';

@customElement('glm-thinking')
export class ThinkingPart extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
        margin-bottom: 6px;
      }
      button.fold {
        display: flex;
        align-items: center;
        gap: 5px;
        max-width: 100%;
        padding: 2px 4px;
        margin-inline-start: -4px;
        color: var(--glm-muted);
      }
      button.fold:hover {
        color: var(--vscode-foreground);
      }
      .preview {
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
        min-width: 0;
        font-style: italic;
      }
      .label {
        white-space: nowrap;
      }
      .active .label {
        color: var(--vscode-foreground);
        animation: breathe 1.6s ease-in-out infinite;
      }
      @keyframes breathe {
        50% {
          color: var(--glm-muted);
        }
      }
      .content {
        margin: 4px 0 6px 7px;
        padding-inline-start: 10px;
        border-inline-start: 2px solid var(--vscode-panel-border, var(--vscode-widget-border));
        color: var(--glm-muted);
      }
    `,
  ];

  @property() text = '';
  /** True while the model is still in its think part. */
  @property({ type: Boolean }) isActive = false;
  @state() private isOpen = false;

  override render(): TemplateResult {
    const lastLine = this.text.slice(-300).trimEnd().split('\n').at(-1) ?? '';
    return html`
      <button class="plain fold ${this.isActive ? 'active' : ''}" data-test="thinking" aria-expanded=${this.isOpen ? 'true' : 'false'} @click=${() => (this.isOpen = !this.isOpen)}>
        ${icon(this.isOpen ? 'chevron-down' : 'chevron-right')}${icon('thinking')}
        <span class="label">${this.isActive ? 'Thinking …' : 'Thought first'}</span>
        ${this.isActive && !this.isOpen ? html`<span class="preview" aria-hidden="true">${lastLine}</span>` : nothing}
      </button>
      ${this.isOpen ? html`<div class="content"><glm-markdown .text=${this.text} .isFinished=${!this.isActive}></glm-markdown></div>` : nothing}
    `;
  }
}
