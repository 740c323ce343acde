/** `<glm-markdown>`: an answer's text. Links go to the host and never navigate. */

import { css, html, LitElement, type TemplateResult } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { baseStyles } from '../../common/baseStyles';
import { askHost } from '../viewRequest';
import './codeBlock';
import { isOpenableAddress } from './markdownParser';
import { MarkdownStream } from './markdownStream';

@customElement('glm-markdown')
export class MarkdownView extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
        overflow-wrap: anywhere;
        line-height: 1.5;
      }
      .group {
        display: flow-root;
        contain-intrinsic-size: auto none auto 480px;
      }
      .full {
        content-visibility: auto;
        /* Room for the outline of what has the focus. */
        overflow-clip-margin: 4px;
      }
      .block {
        margin: 0 0 8px;
      }
      .group:last-child > :last-child {
        margin-bottom: 0;
      }
      .block > :first-child {
        margin-top: 0;
      }
      .block > :last-child {
        margin-bottom: 0;
      }
      p {
        margin: 0 0 8px;
      }
      h1,
      h2,
      h3,
      h4,
      h5,
      h6 {
        margin: 4px 0;
        font-weight: 600;
        line-height: 1.3;
      }
      h1 {
        font-size: 1.35em;
      }
      h2 {
        font-size: 1.2em;
      }
      h3 {
        font-size: 1.08em;
      }
      h4,
      h5,
      h6 {
        font-size: 1em;
      }
      ul,
      ol {
        margin: 0;
        padding-inline-start: 1.7em;
      }
      li {
        margin: 2px 0;
      }
      li > p {
        margin: 0 0 4px;
      }
      li > glm-code-block {
        margin: 4px 0;
      }
      blockquote {
        margin: 0;
        padding: 2px 0 2px 10px;
        border-inline-start: 3px solid var(--vscode-textBlockQuote-border, var(--vscode-panel-border));
        color: var(--glm-muted);
      }
      /* Each paragraph runs in the direction of its own text, code always to the right. */
      p,
      li,
      th,
      td,
      h1,
      h2,
      h3,
      h4,
      h5,
      h6 {
        unicode-bidi: plaintext;
      }
      code {
        direction: ltr;
        unicode-bidi: isolate;
        font-family: var(--vscode-editor-font-family, monospace);
        font-size: 0.92em;
        padding: 1px 4px;
        border-radius: 4px;
        color: var(--vscode-textPreformat-foreground);
        background: var(--vscode-textPreformat-background, var(--vscode-textCodeBlock-background));
      }
      pre.fence {
        margin: 4px 0;
        padding: 8px 10px;
        overflow-x: auto;
        border-radius: 6px;
        background: var(--vscode-textCodeBlock-background);
      }
      pre.fence code {
        padding: 0;
        background: none;
        color: inherit;
      }
      a {
        color: var(--vscode-textLink-foreground);
        text-decoration: underline 1px;
        text-underline-offset: 2px;
      }
      a:hover {
        color: var(--vscode-textLink-activeForeground);
      }
      hr {
        border: none;
        border-top: 1px solid var(--vscode-panel-border);
        margin: 10px 0;
      }
      .table-block:focus-visible {
        outline-offset: -1px;
      }
      .table-block {
        overflow-x: auto;
      }
      table {
        border-collapse: collapse;
        overflow-wrap: normal;
      }
      th,
      td {
        border: 1px solid var(--vscode-panel-border, var(--vscode-widget-border));
        padding: 3px 8px;
        text-align: start;
      }
      .align-center {
        text-align: center;
      }
      .align-right {
        text-align: end;
      }
    `,
  ];

  @property() text = '';
  /** False while more text may come. */
  @property({ attribute: false }) isFinished = true;

  private readonly container = document.createElement('div');
  private readonly stream = new MarkdownStream(this.container, () => performance.now());
  private isCatchUpAsked = false;
  private readonly sizes = new ResizeObserver(() => this.stream.onLayout());

  constructor() {
    super();
    this.container.className = 'text';
    this.container.addEventListener('click', openLink);
    this.container.addEventListener('auxclick', openLink);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.sizes.observe(this.container);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.sizes.disconnect();
  }

  override render(): TemplateResult {
    return html`${this.container}`;
  }

  override updated(): void {
    if (!this.stream.update(this.text, this.isFinished) && !this.isCatchUpAsked) {
      this.isCatchUpAsked = true;
      requestAnimationFrame(() => {
        this.isCatchUpAsked = false;
        this.requestUpdate();
      });
    }
  }
}

/** Stops every link, whatever it holds: the editor and the browser must not follow it by themselves. */
function openLink(event: MouseEvent): void {
  const anchor = event.composedPath().find((node): node is HTMLAnchorElement => node instanceof HTMLAnchorElement);
  if (anchor === undefined) {
    return;
  }
  event.preventDefault();
  event.stopPropagation();
  if (isOpenableAddress(anchor.href)) {
    askHost(event.currentTarget as EventTarget, 'link-open', { url: anchor.href });
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'glm-markdown': MarkdownView;
  }
}
