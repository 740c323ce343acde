/** `<glm-question>`: a question of the user, as typed, with its attachments; it can be edited and deleted. */

import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import type { ConversationTurn } from '../../../src/common/protocol/webview';
import { baseStyles } from '../../common/baseStyles';
import { icon } from '../../common/codicons';
import { iconButton } from '../../common/iconButton';
import { askHost } from '../viewRequest';
import './confirmButton';

/** Longer questions are folded to this many characters until opened. */
const foldedCharacters = 3000;

@customElement('glm-question')
export class QuestionTurn extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        position: relative;
        display: flex;
        flex-direction: column;
        align-items: flex-end;
        gap: 2px;
      }
      .bubble {
        max-width: min(92%, 640px);
        padding: 7px 10px;
        border-radius: 9px;
        border: 1px solid var(--vscode-chat-requestBorder, var(--vscode-contrastBorder, transparent));
        background: var(--vscode-chat-requestBubbleBackground, var(--vscode-chat-requestBackground, var(--vscode-editorWidget-background)));
        color: var(--vscode-foreground);
        white-space: pre-wrap;
        overflow-wrap: anywhere;
        line-height: 1.45;
      }
      .chips {
        display: flex;
        flex-wrap: wrap;
        gap: 4px;
        justify-content: flex-end;
      }
      .chip {
        display: inline-flex;
        align-items: center;
        gap: 4px;
        font-size: 11px;
        padding: 1px 7px 1px 4px;
        border-radius: 4px;
        border: 1px solid var(--vscode-chat-requestBorder, var(--vscode-panel-border, transparent));
        max-width: 100%;
      }
      .chip span:last-child {
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      .tools {
        position: absolute;
        z-index: 1;
        inset-block-end: -15px;
        inset-inline-end: 8px;
        display: flex;
        padding: 1px;
        border-radius: 6px;
        border: 1px solid var(--vscode-widget-border, var(--vscode-contrastBorder, var(--vscode-panel-border)));
        background: var(--vscode-editorWidget-background);
        opacity: 0;
      }
      :host(:hover) .tools,
      :host(:focus-within) .tools {
        opacity: 1;
      }
      .editor {
        width: 100%;
        display: flex;
        flex-direction: column;
        gap: 6px;
      }
      textarea {
        width: 100%;
        field-sizing: content;
        max-height: 40vh;
        min-height: 3.2em;
        resize: none;
        padding: 7px 9px;
        font: inherit;
        line-height: 1.45;
        border-radius: 7px;
        color: var(--vscode-input-foreground);
        background: var(--vscode-input-background);
        border: 1px solid var(--vscode-input-border, var(--vscode-panel-border, transparent));
      }
      textarea:focus {
        outline: 1px solid var(--vscode-focusBorder);
        outline-offset: -1px;
      }
      .row {
        justify-content: flex-end;
      }
    `,
  ];

  @property({ attribute: false }) turn: ConversationTurn | undefined;
  /** While an answer is under way nothing can be changed. */
  @property({ type: Boolean }) isBusy = false;
  @state() private isEditing = false;
  @state() private isUnfolded = false;

  override render(): TemplateResult | typeof nothing {
    const { turn } = this;
    if (turn === undefined) {
      return nothing;
    }
    return this.isEditing ? this.renderEditor(turn) : this.renderBubble(turn);
  }

  private renderBubble(turn: ConversationTurn): TemplateResult {
    const isFolded = !this.isUnfolded && turn.text.length > foldedCharacters * 1.2;
    const busyHint = this.isBusy ? ' (stop the answer first)' : '';
    return html`
      ${turn.attachments === undefined || turn.attachments.length === 0
        ? nothing
        : html`<div class="chips">${turn.attachments.map((attachment) => html`<span class="chip" title=${attachment.name}>${icon('file')}<span>${attachment.name}</span></span>`)}</div>`}
      <div class="bubble" dir="auto" data-test="question">${isFolded ? `${turn.text.slice(0, foldedCharacters)} …` : turn.text}</div>
      ${isFolded ? html`<button class="link" @click=${() => (this.isUnfolded = true)}>Show all ${turn.text.length.toLocaleString('en-US')} characters</button>` : nothing}
      <div class="tools" role="toolbar" aria-label="Question">
        ${iconButton('copy', 'Copy question', () => askHost(this, 'code-copy', { text: turn.text }))}
        ${iconButton('edit', `Edit question${busyHint}`, this.startEditing, { disabled: this.isBusy, testId: 'edit' })}
        <glm-confirm-button label=${`Delete question and answer${busyHint}`} ?disabled=${this.isBusy} .onConfirm=${() => askHost(this, 'turn-delete', { turnId: turn.id })}></glm-confirm-button>
      </div>
    `;
  }

  private renderEditor(turn: ConversationTurn): TemplateResult {
    return html`
      <div class="editor">
        <textarea dir="auto" aria-label="Edit question" data-test="edit-text" .value=${turn.text} @keydown=${this.onEditorKey}></textarea>
        <div class="row">
          <span class="muted">Replaces what follows.</span>
          <vscode-button appearance="secondary" @click=${this.stopEditing}>Cancel</vscode-button>
          <vscode-button appearance="primary" data-test="edit-send" @click=${this.submit}>Send</vscode-button>
        </div>
      </div>
    `;
  }

  private readonly startEditing = (): void => {
    this.isEditing = true;
    void this.updateComplete.then(() => {
      const area = this.area();
      area?.focus();
      area?.setSelectionRange(area.value.length, area.value.length);
    });
  };

  private readonly stopEditing = (): void => {
    this.isEditing = false;
    void this.updateComplete.then(() => this.renderRoot.querySelector<HTMLElement>('[data-test=edit]')?.focus());
  };

  private readonly submit = (): void => {
    const text = this.area()?.value.trim() ?? '';
    if (text !== '' && this.turn !== undefined && !this.isBusy) {
      this.isEditing = false;
      askHost(this, 'question-edit', { turnId: this.turn.id, text });
    }
  };

  private readonly onEditorKey = (event: KeyboardEvent): void => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.submit();
    } else if (event.key === 'Escape') {
      event.preventDefault();
      event.stopPropagation();
      this.stopEditing();
    }
  };

  private area(): HTMLTextAreaElement | null {
    return this.renderRoot.querySelector('textarea');
  }
}
