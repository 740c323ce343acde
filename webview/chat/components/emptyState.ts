/** `<glm-empty-state>`: what an empty conversation shows; one click on a question leads to a first answer. */

import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import type { ModelChoice, ModelState } from '../../../src/common/protocol/webview';
import { baseStyles } from '../../common/baseStyles';
import { askHost } from '../viewRequest';

/** Questions that the small demo model can answer too. */
const suggestions: readonly { readonly text: string; readonly language: string }[] = [
  { text: 'What can you do?', language: 'en' },
  { text: 'How do I load a bigger GLM-4 model?', language: 'en' },
  { text: '你好！请介绍一下你自己。', language: 'zh' },
  { text: '你能帮我做什么？', language: 'zh' },
];

@customElement('glm-empty-state')
export class EmptyState extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: flex;
        flex-direction: column;
        align-items: center;
        justify-content: center;
        gap: 10px;
        min-height: 100%;
        padding: 20px 16px;
        text-align: center;
      }
      .mark {
        width: 44px;
        height: 44px;
        color: var(--glm-muted);
      }
      h2 {
        margin: 0;
        font-size: 1.25em;
        font-weight: 600;
      }
      p {
        margin: 0;
        max-width: 380px;
        line-height: 1.45;
      }
      ul {
        display: flex;
        flex-direction: column;
        align-items: stretch;
        gap: 6px;
        width: 100%;
        max-width: 380px;
        margin: 6px 0 0;
        padding: 0;
        list-style: none;
      }
      .suggestion {
        width: 100%;
        padding: 7px 11px;
        border-radius: 7px;
        border: 1px solid var(--vscode-contrastBorder, color-mix(in srgb, currentColor 22%, transparent));
        background: var(--vscode-editorWidget-background);
        text-align: start;
      }
      .suggestion:hover:not(:disabled) {
        border-color: var(--vscode-focusBorder);
        background: var(--vscode-list-hoverBackground);
      }
      .suggestion:disabled {
        opacity: 0.55;
        cursor: default;
      }
    `,
  ];

  @property({ attribute: false }) model: ModelState = { kind: 'none' };
  @property({ attribute: false }) choices: readonly ModelChoice[] = [];
  @property({ type: Boolean }) canSend = false;

  override render(): TemplateResult {
    return html`
      <svg class="mark" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
        <path d="M4.5 4h15A1.5 1.5 0 0 1 21 5.5v10a1.5 1.5 0 0 1-1.5 1.5H11l-4.5 4v-4h-2A1.5 1.5 0 0 1 3 15.5v-10A1.5 1.5 0 0 1 4.5 4z" />
        <path d="M8 13V11M12 13V7.5M16 13V9.5" />
      </svg>
      <h2>Ask GLM</h2>
      <p class="muted">${this.subtitle()}</p>
      <ul aria-label="Suggested questions">
        ${suggestions.map(
          ({ text, language }) =>
            html`<li><button class="plain suggestion" data-test="suggestion" lang=${language} ?disabled=${!this.canSend} @click=${() => askHost(this, 'prompt-send', { text })}>${text}</button></li>`,
        )}
      </ul>
      ${this.model.kind === 'none' ? html`<button class="link" @click=${() => askHost(this, 'model-choose', {})}>Choose a model first</button>` : nothing}
    `;
  }

  private subtitle(): string {
    const { model } = this;
    switch (model.kind) {
      case 'ready':
        return model.model.description.isDemo
          ? 'This is the small demo model that comes with the extension. It shows how everything works; load a real GLM-4 checkpoint for real answers.'
          : 'Runs on your own hardware. Nothing you write leaves this machine.';
      case 'none':
        return this.choices.some((choice) => choice.isDemo)
          ? 'Pick a question: a model is loaded on your own hardware and answers. Nothing you write leaves this machine.'
          : 'Choose a GLM-4 checkpoint on this machine to begin. Nothing you write leaves it.';
      case 'loading':
        return 'Almost there: the model is being loaded.';
      case 'failed':
      case 'lost':
        return 'A model is needed before questions can be answered; see above.';
      default:
        return model satisfies never;
    }
  }
}
