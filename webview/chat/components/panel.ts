/** `<glm-panel>`: the frame of history and settings, shown in place of the conversation. Escape and the arrow lead back. */

import { css, html, LitElement, type TemplateResult } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { baseStyles } from '../../common/baseStyles';
import { iconButton } from '../../common/iconButton';

@customElement('glm-panel')
export class Panel extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: flex;
        flex-direction: column;
        min-height: 0;
      }
      header {
        display: flex;
        align-items: center;
        gap: 6px;
        padding: 6px 12px 4px 8px;
      }
      h2 {
        margin: 0;
        font-size: 1em;
        font-weight: 600;
      }
      .content {
        flex: 1;
        min-height: 0;
        overflow-y: auto;
        padding: 4px 12px 16px;
      }
      .content > div {
        max-width: 640px;
        margin: 0 auto;
      }
    `,
  ];

  @property() headline = '';
  @property({ attribute: false }) onClose: () => void = () => {};

  override render(): TemplateResult {
    return html`
      <section role="region" aria-label=${this.headline} @keydown=${this.onKey} class="frame">
        <header>${iconButton('arrow-left', 'Back to the conversation', this.onClose, { testId: 'back' })}<h2>${this.headline}</h2></header>
      </section>
      <div class="content" @keydown=${this.onKey}><div><slot></slot></div></div>
    `;
  }

  override firstUpdated(): void {
    this.renderRoot.querySelector<HTMLElement>('vscode-button')?.focus();
  }

  private readonly onKey = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') {
      event.preventDefault();
      event.stopPropagation();
      this.onClose();
    }
  };
}
