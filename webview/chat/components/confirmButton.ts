/** `<glm-confirm-button>`: an icon button for what cannot be undone; the first press asks, the second does it. */

import { css, html, LitElement, type TemplateResult } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { baseStyles } from '../../common/baseStyles';
import { iconButton } from '../../common/iconButton';

@customElement('glm-confirm-button')
export class ConfirmButton extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: inline-flex;
      }
      .question {
        display: inline-flex;
        gap: 4px;
        align-items: center;
        white-space: nowrap;
        font-size: 11px;
      }
      button {
        font: inherit;
        padding: 1px 7px;
        border-radius: 4px;
        border: 1px solid var(--vscode-button-border, transparent);
        cursor: pointer;
        color: var(--vscode-button-secondaryForeground);
        background: var(--vscode-button-secondaryBackground);
        border-color: var(--vscode-button-secondaryBorder, var(--vscode-contrastBorder, transparent));
      }
      button.yes {
        color: var(--glm-error-text);
      }
    `,
  ];

  @property() label = '';
  @property({ type: Boolean }) disabled = false;
  @property({ attribute: false }) onConfirm: () => void = () => {};
  @state() private isAsking = false;

  override render(): TemplateResult {
    if (!this.isAsking) {
      return html`${iconButton('trash', this.label, this.ask, { disabled: this.disabled, testId: 'delete' })}`;
    }
    return html`<span class="question" role="group" aria-label=${`${this.label}?`} @keydown=${this.onKey} @focusout=${this.onFocusOut}>
      <button class="yes" data-test="confirm" @click=${this.confirm}>Delete</button><button @click=${() => (this.isAsking = false)}>Keep</button>
    </span>`;
  }

  private readonly ask = (event: Event): void => {
    event.stopPropagation();
    this.isAsking = true;
    void this.updateComplete.then(() => this.renderRoot.querySelector<HTMLElement>('.yes')?.focus());
  };

  private readonly confirm = (event: Event): void => {
    event.stopPropagation();
    this.isAsking = false;
    this.onConfirm();
  };

  private readonly onKey = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') {
      event.stopPropagation();
      this.isAsking = false;
    }
  };

  private readonly onFocusOut = (event: FocusEvent): void => {
    const next = event.relatedTarget;
    if (!(next instanceof Node) || !this.renderRoot.contains(next)) {
      this.isAsking = false;
    }
  };
}
