/** `<glm-code-block>`: code that can grow while it streams, coloured line by line, with copy, insert and new-file buttons. */

import { css, html, LitElement, type TemplateResult } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { baseStyles } from '../../common/baseStyles';
import { icon, type IconName } from '../../common/codicons';
import { askHost } from '../viewRequest';
import { CodeLines } from './codeLines';
import { editorLanguageId } from './editorLanguage';
import type { LineHighlighter } from './highlightCode';

/** Colouring may take this long in a frame in which code arrives, and in one that has time to spare. */
const growingBudgetMs = 2;
const idleBudgetMs = 6;
/** Colours of code that was there before its highlighter are written when so much HTML has come together. */
const htmlPerWrite = 30_000;

@customElement('glm-code-block')
export class CodeBlock extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
        direction: ltr;
        text-align: left;
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
      /* Outside it would be cut off by the block's round corners. */
      pre[tabindex]:focus-visible {
        outline-offset: -2px;
      }
      code {
        display: block;
        font: inherit;
        width: max-content;
        min-width: 100%;
      }
      header button {
        display: flex;
        padding: 3px;
        border-radius: 5px;
        color: inherit;
      }
      header button:hover {
        color: var(--vscode-foreground);
        background: var(--vscode-toolbar-hoverBackground);
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
  private isFinished = false;
  private highlighter: LineHighlighter | undefined;
  private isHighlighterAsked = false;
  /** Offset behind the last line that the highlighter has. */
  private colouredEnd = 0;
  /** Coloured, but not written yet. */
  private settledHtml = '';
  private readonly codeElement = document.createElement('code');
  private readonly lines = new CodeLines(this.codeElement);

  /** The whole code so far. */
  get code(): string {
    return this.text;
  }

  /** Adds code at the end. */
  appendCode(addition: string): void {
    this.text += addition;
    this.lines.writeText(addition);
    if (this.highlighter === undefined) {
      this.askForHighlighter();
    } else if (addition.includes('\n')) {
      this.colour(growingBudgetMs);
    }
  }

  /** The code is complete. */
  finishCode(): void {
    this.isFinished = true;
    if (this.highlighter !== undefined) {
      this.colour(growingBudgetMs);
    }
  }

  override render(): TemplateResult {
    return html`
      <header>
        <span class="language">${this.language || 'text'}</span>
        ${this.renderButton(this.hasCopied ? 'check' : 'copy', this.hasCopied ? 'Copied' : 'Copy code', this.copy)}
        ${this.renderButton('insert', 'Insert at cursor', this.insert)}
        ${this.renderButton('new-file', 'Put into a new file', this.putIntoNewFile)}
      </header>
      <pre tabindex="0" role="region" aria-label=${`Code, ${this.language || 'text'}`}>${this.codeElement}</pre>
    `;
  }

  /** The browser's own button: three of the toolkit's would take longer to make than the rest of the block. */
  private renderButton(name: IconName, label: string, onClick: () => void): TemplateResult {
    return html`<button class="plain" aria-label=${label} title=${label} @click=${onClick}>${icon(name)}</button>`;
  }

  private readonly copy = (): void => {
    askHost(this, 'code-copy', { text: this.text });
    this.hasCopied = true;
    setTimeout(() => (this.hasCopied = false), 1500);
  };

  private readonly insert = (): void => askHost(this, 'code-insert', { text: this.text });

  private readonly putIntoNewFile = (): void => askHost(this, 'code-new-file', { text: this.text, languageId: editorLanguageId(this.language) });

  private askForHighlighter(): void {
    if (!this.isHighlighterAsked && this.language !== '') {
      this.isHighlighterAsked = true;
      requestIdleCallback(() => void this.prepare(), { timeout: 1000 });
    }
  }

  private async prepare(): Promise<void> {
    const { LineHighlighter, prepareLanguage } = await import('./highlightCode');
    if (prepareLanguage(this.language)) {
      this.highlighter = new LineHighlighter(this.language);
      this.colour(idleBudgetMs);
    }
  }

  /** Gives the highlighter the lines that it has not seen, and goes on in idle time when they are too many for now. */
  private colour(budgetMs: number): void {
    const { highlighter } = this;
    if (highlighter === undefined || this.colouredEnd === this.text.length) {
      return;
    }
    const untilMs = performance.now() + budgetMs;
    let hasTime = true;
    let lineEnd = this.text.indexOf('\n', this.colouredEnd);
    while (lineEnd !== -1 && hasTime) {
      this.settledHtml += highlighter.addLine(this.text.slice(this.colouredEnd, lineEnd + 1));
      this.colouredEnd = lineEnd + 1;
      hasTime = performance.now() < untilMs;
      lineEnd = this.text.indexOf('\n', this.colouredEnd);
    }
    if (lineEnd !== -1) {
      requestIdleCallback(() => this.colour(idleBudgetMs), { timeout: 500 });
      if (this.settledHtml.length < htmlPerWrite) {
        return;
      }
    } else if (this.isFinished) {
      this.settledHtml += highlighter.addLine(this.text.slice(this.colouredEnd)) + highlighter.finish();
      this.colouredEnd = this.text.length;
    }
    this.lines.returnToMark();
    this.lines.writeHighlighted(this.settledHtml);
    this.settledHtml = '';
    this.lines.mark();
    this.lines.writeHighlighted(highlighter.preview());
    this.lines.writeText(this.text.slice(this.colouredEnd));
  }
}
