/** `<glm-code-block>`: code that can grow while it streams, with copy, insert and new-file buttons. Coloured once it is complete. */

import { css, html, LitElement, type TemplateResult } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { baseStyles } from '../../common/baseStyles';
import { iconButton } from '../../common/iconButton';
import { askHost } from '../viewRequest';
import { editorLanguageId } from './editorLanguage';
import { sanitizeHtml } from './sanitizeHtml';

/** Lines are kept in pieces, so that a growing block lays out its last piece only, and pieces out of sight none at all. */
const linesPerPiece = 48;

@customElement('glm-code-block')
export class CodeBlock extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
        border: 1px solid var(--vscode-chat-requestBorder, var(--vscode-panel-border, transparent));
        border-radius: 6px;
        overflow: hidden;
        background: var(--vscode-editor-background);
        color: var(--vscode-editor-foreground);
      }
      header {
        display: flex;
        align-items: center;
        gap: 2px;
        padding: 1px 4px 1px 10px;
        font-size: 11px;
        color: var(--glm-muted);
        border-bottom: 1px solid var(--vscode-chat-requestBorder, var(--vscode-panel-border, transparent));
      }
      header .language {
        flex: 1;
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      pre {
        margin: 0;
        padding: 8px 10px;
        overflow-x: auto;
        font-family: var(--vscode-editor-font-family, monospace);
        font-size: var(--vscode-editor-font-size, 12px);
        line-height: 1.45;
        tab-size: 4;
      }
      code {
        display: block;
        font: inherit;
        width: max-content;
        min-width: 100%;
      }
      .piece {
        display: block;
        min-height: 1.45em;
      }
      .full {
        content-visibility: auto;
        contain-intrinsic-size: auto 60em auto calc(48 * 1.45em);
      }
      .hljs-comment,
      .hljs-quote,
      .hljs-meta {
        color: var(--glm-muted);
        font-style: italic;
      }
      .hljs-string,
      .hljs-regexp,
      .hljs-link,
      .hljs-addition {
        color: var(--vscode-debugTokenExpression-string);
      }
      .hljs-number,
      .hljs-literal,
      .hljs-symbol {
        color: var(--vscode-debugTokenExpression-number);
      }
      .hljs-keyword,
      .hljs-built_in,
      .hljs-selector-tag,
      .hljs-tag,
      .hljs-name,
      .hljs-section {
        color: var(--vscode-debugTokenExpression-boolean);
      }
      .hljs-title,
      .hljs-selector-class,
      .hljs-selector-id {
        color: var(--vscode-symbolIcon-functionForeground);
      }
      .hljs-type,
      .hljs-attr,
      .hljs-attribute,
      .hljs-variable,
      .hljs-template-variable,
      .hljs-property {
        color: var(--vscode-symbolIcon-variableForeground);
      }
      .hljs-deletion {
        color: var(--vscode-errorForeground);
      }
      .hljs-strong {
        font-weight: 600;
      }
      .hljs-emphasis {
        font-style: italic;
      }
    `,
  ];

  @property() language = '';
  @state() private hasCopied = false;

  private text = '';
  private lastPiece: Text | undefined;
  private numLinesInPiece = 0;
  private isFinished = false;
  private readonly codeElement = document.createElement('code');

  /** The whole code so far. */
  get code(): string {
    return this.text;
  }

  /** Adds code at the end. Only the last piece of lines changes. */
  appendCode(addition: string): void {
    this.text += addition;
    let start = 0;
    while (start < addition.length) {
      const end = this.endOfPiece(addition, start);
      this.growLastPiece(addition.slice(start, end.textEnd));
      start = end.nextStart;
      if (end.isPieceFull) {
        this.lastPiece?.parentElement?.classList.add('full');
        this.lastPiece = undefined;
        this.numLinesInPiece = 0;
      }
    }
  }

  /** The code is complete: colour it when the page has time. */
  finishCode(): void {
    if (!this.isFinished) {
      this.isFinished = true;
      requestIdleCallback(() => void this.colour(), { timeout: 1000 });
    }
  }

  override render(): TemplateResult {
    return html`
      <header>
        <span class="language">${this.language || 'text'}</span>
        ${iconButton(this.hasCopied ? 'check' : 'copy', this.hasCopied ? 'Copied' : 'Copy code', this.copy)}
        ${iconButton('insert', 'Insert at cursor', () => askHost(this, 'code-insert', { text: this.text }))}
        ${iconButton('new-file', 'Put into a new file', () => askHost(this, 'code-new-file', { text: this.text, languageId: editorLanguageId(this.language) }))}
      </header>
      <pre tabindex="0" role="region" aria-label=${`Code, ${this.language || 'text'}`}>${this.codeElement}</pre>
    `;
  }

  private readonly copy = (): void => {
    askHost(this, 'code-copy', { text: this.text });
    this.hasCopied = true;
    setTimeout(() => (this.hasCopied = false), 1500);
  };

  private growLastPiece(text: string): void {
    if (this.lastPiece === undefined) {
      this.lastPiece = document.createTextNode('');
      const piece = document.createElement('span');
      piece.className = 'piece';
      piece.append(this.lastPiece);
      this.codeElement.append(piece);
    }
    this.lastPiece.appendData(text);
  }

  /** Where the current piece ends in `text`; the line break between two pieces is drawn by the pieces being blocks. */
  private endOfPiece(text: string, start: number): { readonly textEnd: number; readonly nextStart: number; readonly isPieceFull: boolean } {
    for (let at = text.indexOf('\n', start); at !== -1; at = text.indexOf('\n', at + 1)) {
      this.numLinesInPiece += 1;
      if (this.numLinesInPiece === linesPerPiece) {
        return { textEnd: at, nextStart: at + 1, isPieceFull: true };
      }
    }
    return { textEnd: text.length, nextStart: text.length, isPieceFull: false };
  }

  private async colour(): Promise<void> {
    const { highlightCode, splitHighlighted } = await import('./highlightCode');
    const highlighted = highlightCode(this.text.replace(/\n$/, ''), this.language);
    if (highlighted === undefined) {
      return;
    }
    const pieces = splitHighlighted(highlighted, linesPerPiece).map((pieceHtml, index, all) => {
      const piece = document.createElement('span');
      piece.className = index < all.length - 1 ? 'piece full' : 'piece';
      piece.append(sanitizeHtml(pieceHtml));
      return piece;
    });
    this.codeElement.replaceChildren(...pieces);
    this.lastPiece = undefined;
  }
}
