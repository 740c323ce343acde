/** `<glm-composer>`: where questions are written, files attached, and answers stopped. */

import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property, query } from 'lit/decorators.js';
import type { Attachment } from '../../../src/common/protocol/webview';
import { baseStyles } from '../../common/baseStyles';
import { icon } from '../../common/codicons';
import { iconButton } from '../../common/iconButton';
import type { SendReadiness } from '../state/sendReadiness';
import { askHost } from '../viewRequest';

/** A paste longer than this becomes an attachment: a text box with megabytes in it would stall the page. */
export const longPasteCharacters = 16_000;

@customElement('glm-composer')
export class Composer extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
        padding: 8px 12px 10px;
      }
      .frame {
        display: flex;
        flex-direction: column;
        max-width: 860px;
        margin: 0 auto;
        border-radius: 8px;
        border: 1px solid var(--vscode-input-border, var(--vscode-panel-border, var(--vscode-contrastBorder, transparent)));
        background: var(--vscode-input-background);
        color: var(--vscode-input-foreground);
      }
      .frame:focus-within {
        border-color: var(--vscode-focusBorder);
      }
      textarea {
        field-sizing: content;
        width: 100%;
        min-height: 2.9em;
        max-height: 34vh;
        padding: 8px 10px 4px;
        resize: none;
        border: none;
        outline: none;
        font: inherit;
        line-height: 1.45;
        color: inherit;
        background: transparent;
      }
      textarea::placeholder {
        color: var(--vscode-input-placeholderForeground);
        opacity: 1;
      }
      .bar {
        display: flex;
        align-items: center;
        gap: 4px;
        padding: 2px 5px 5px;
      }
      .hint {
        flex: 1;
        min-width: 0;
        padding-inline-start: 4px;
        font-size: 11px;
        line-height: 1.35;
        color: var(--glm-muted);
      }
      vscode-button[data-test='send']::part(control),
      vscode-button[data-test='stop']::part(control) {
        padding: 3px 9px;
      }
      .button-text {
        width: auto;
        height: auto;
        display: inline-flex;
        align-items: center;
        gap: 5px;
      }
      vscode-button.blocked {
        opacity: 0.5;
        cursor: not-allowed;
      }
      ul {
        display: flex;
        flex-wrap: wrap;
        gap: 4px;
        margin: 0;
        padding: 7px 8px 0;
        list-style: none;
      }
      .chip {
        display: inline-flex;
        align-items: center;
        gap: 3px;
        max-width: 100%;
        padding: 0 1px 0 5px;
        font-size: 11px;
        border-radius: 5px;
        border: 1px solid var(--vscode-panel-border, var(--vscode-widget-border, transparent));
        background: var(--vscode-editorWidget-background);
        color: var(--vscode-editorWidget-foreground);
      }
      .chip .name {
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
    `,
  ];

  @property({ attribute: false }) readiness: SendReadiness = { canSend: false };
  @property({ type: Boolean }) isGenerating = false;
  @property({ attribute: false }) attachments: readonly Attachment[] = [];
  @property() mode: 'chat' | 'completion' = 'chat';
  /** Text to begin with, from before the view was hidden. */
  @property({ attribute: false }) draft = '';
  @property({ attribute: false }) onDraft: (draft: string) => void = () => {};
  @property({ attribute: false }) onSend: (text: string) => void = () => {};
  @property({ attribute: false }) onSettings: () => void = () => {};
  @query('textarea') private readonly area!: HTMLTextAreaElement;

  /** Moves the focus here, with `text` put in place of the draft when given. */
  focusWith(text: string | undefined): void {
    if (text !== undefined) {
      this.setDraft(text);
    }
    this.area.focus();
    this.area.setSelectionRange(this.area.value.length, this.area.value.length);
  }

  /** Brings a text back that could not be sent, unless something else was written meanwhile. */
  restoreDraft(text: string): void {
    if (this.area.value === '') {
      this.setDraft(text);
    }
  }

  override firstUpdated(): void {
    this.area.value = this.draft;
  }

  override render(): TemplateResult {
    const { readiness } = this;
    const placeholder = this.mode === 'completion' ? 'Text to be continued …' : 'Ask GLM …';
    return html`
      <div class="frame">
        ${this.attachments.length === 0
          ? nothing
          : html`<ul aria-label="Attachments">
              ${this.attachments.map(
                (attachment) =>
                  html`<li class="chip" data-test="attachment" title=${`${attachment.name}, ${attachment.text.length.toLocaleString('en-US')} characters`}>
                    ${icon('file')}<span class="name">${attachment.name}</span>
                    ${iconButton('close', `Remove ${attachment.name}`, () => askHost(this, 'attachment-remove', { name: attachment.name }))}
                  </li>`,
              )}
            </ul>`}
        <textarea
          rows="2"
          dir="auto"
          data-test="composer"
          aria-label=${this.mode === 'completion' ? 'Text to be continued' : 'Question'}
          aria-describedby="hint"
          placeholder=${placeholder}
          @input=${() => this.onDraft(this.area.value)}
          @keydown=${this.onKey}
          @paste=${this.onPaste}
        ></textarea>
        <div class="bar">
          ${iconButton('settings', 'Chat settings', () => this.onSettings(), { testId: 'settings-button' })}
          ${iconButton('attach', 'Attach a file', () => askHost(this, 'attachment-add', {}), { testId: 'attach' })}
          <span class="hint" id="hint" role="status" data-test="hint">
            ${readiness.reason ?? nothing}
            ${readiness.action === undefined ? nothing : html`<button class="link" @click=${() => askHost(this, readiness.action?.request ?? 'model-choose', {})}>${readiness.action.label}</button>`}
          </span>
          ${this.isGenerating
            ? html`<vscode-button appearance="secondary" data-test="stop" title="Stop (Escape)" @click=${this.stop}><span class="button-text">${icon('stop-circle')}Stop</span></vscode-button>`
            : html`<vscode-button
                appearance="primary"
                class=${readiness.canSend ? '' : 'blocked'}
                data-test="send"
                aria-disabled=${readiness.canSend ? 'false' : 'true'}
                title=${readiness.canSend ? 'Send (Enter); Shift+Enter for a new line' : (readiness.reason ?? 'An answer is under way')}
                @click=${this.send}
                ><span class="button-text">${icon('send')}Send</span></vscode-button
              >`}
        </div>
      </div>
    `;
  }

  private setDraft(text: string): void {
    this.area.value = text;
    this.onDraft(text);
  }

  private readonly send = (): void => {
    const text = this.area.value;
    if (this.readiness.canSend && !this.isGenerating && (text.trim() !== '' || this.attachments.length > 0)) {
      this.setDraft('');
      this.onSend(text);
    }
    this.area.focus();
  };

  private readonly stop = (): void => {
    askHost(this, 'generation-stop', {});
    this.area.focus();
  };

  private readonly onKey = (event: KeyboardEvent): void => {
    // Enter while an input method is composing (Chinese, Japanese) chooses a candidate and does not send.
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.send();
    }
  };

  private readonly onPaste = (event: ClipboardEvent): void => {
    const text = event.clipboardData?.getData('text/plain') ?? '';
    if (text.length > longPasteCharacters) {
      event.preventDefault();
      const taken = new Set(this.attachments.map((attachment) => attachment.name));
      let name = 'Pasted text';
      for (let copy = 2; taken.has(name); copy += 1) {
        name = `Pasted text ${copy}`;
      }
      askHost(this, 'attachment-add', { attachment: { name, text } });
    }
  };
}
