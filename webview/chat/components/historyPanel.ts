/** `<glm-history>`: earlier conversations: open, rename, delete, find. */

import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { repeat } from 'lit/directives/repeat.js';
import type { ViewState } from '../../../src/common/protocol/webview';
import { baseStyles } from '../../common/baseStyles';
import { labelFields } from '../../common/fieldLabels';
import { iconButton } from '../../common/iconButton';
import { askHost } from '../viewRequest';
import './confirmButton';
import './panel';

type Entry = ViewState['history'][number];

/** From this many conversations on there is a field to find one. */
const minEntriesForSearch = 8;

@customElement('glm-history')
export class HistoryPanel extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: flex;
        flex-direction: column;
        min-height: 0;
      }
      glm-panel {
        flex: 1;
      }
      ul {
        margin: 6px 0 0;
        padding: 0;
        list-style: none;
      }
      li {
        display: flex;
        align-items: center;
        gap: 2px;
        padding: 1px 2px 1px 0;
        border-radius: 5px;
        border: 1px solid transparent;
      }
      li:hover,
      li:focus-within {
        background: var(--vscode-list-hoverBackground);
      }
      li.current {
        background: var(--vscode-list-inactiveSelectionBackground);
        border-color: var(--vscode-contrastActiveBorder, transparent);
      }
      .open {
        flex: 1;
        min-width: 0;
        padding: 5px 7px;
      }
      .title {
        display: block;
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      button[aria-current='true'] .when {
        color: inherit;
      }
      .when {
        display: block;
        font-size: 11px;
        color: var(--glm-muted);
      }
      vscode-text-field {
        width: 100%;
      }
      li vscode-text-field {
        flex: 1;
        margin: 3px 0 3px 4px;
      }
      .row {
        margin-bottom: 4px;
      }
      .search {
        flex: 1;
        min-width: 120px;
      }
    `,
  ];

  @property({ attribute: false }) entries: readonly Entry[] = [];
  @property() currentId = '';
  /** Now, for "5 minutes ago". */
  @property({ attribute: false }) nowMs = Date.now();
  @property({ attribute: false }) onClose: () => void = () => {};
  @state() private renaming: string | undefined;
  @state() private wanted = '';

  override render(): TemplateResult {
    const wanted = this.wanted.trim().toLowerCase();
    const entries = [...this.entries].sort((a, b) => b.updatedAtMs - a.updatedAtMs).filter((entry) => entry.title.toLowerCase().includes(wanted));
    return html`
      <glm-panel headline="Chat history" .onClose=${this.onClose}>
        <div class="row">
          ${this.entries.length < minEntriesForSearch
            ? nothing
            : html`<vscode-text-field class="search" placeholder="Find a chat" data-label="Find a chat" @input=${(event: InputEvent) => (this.wanted = (event.target as HTMLInputElement).value)}></vscode-text-field>`}
          <vscode-button appearance="secondary" @click=${this.startNew}>New chat</vscode-button>
        </div>
        ${entries.length === 0 ? html`<p class="muted">${this.entries.length === 0 ? 'No chats yet.' : 'No chat has that in its title.'}</p>` : nothing}
        <ul aria-label="Chats">
          ${repeat(
            entries,
            (entry) => entry.id,
            (entry) => html`<li class=${entry.id === this.currentId ? 'current' : ''} data-test="history-entry">${this.renaming === entry.id ? this.renderRename(entry) : this.renderEntry(entry)}</li>`,
          )}
        </ul>
      </glm-panel>
    `;
  }

  override updated(): void {
    labelFields(this.renderRoot);
  }

  private renderEntry(entry: Entry): TemplateResult {
    const title = entry.title === '' ? 'New chat' : entry.title;
    return html`
      <button class="plain open" aria-current=${entry.id === this.currentId ? 'true' : 'false'} title=${title} @click=${() => this.open(entry.id)}>
        <span class="title" dir="auto">${title}</span>
        <span class="when">${describeAge(this.nowMs - entry.updatedAtMs, entry.updatedAtMs)}</span>
      </button>
      ${iconButton('edit', `Rename ${title}`, () => this.startRename(entry.id), { testId: 'rename' })}
      <glm-confirm-button label=${`Delete ${title}`} .onConfirm=${() => askHost(this, 'conversation-delete', { id: entry.id })}></glm-confirm-button>
    `;
  }

  private renderRename(entry: Entry): TemplateResult {
    return html`
      <vscode-text-field data-test="rename-field" data-label="Title" .value=${entry.title} @keydown=${(event: KeyboardEvent) => this.onRenameKey(event, entry.id)}></vscode-text-field>
      ${iconButton('check', 'Save title', () => this.rename(entry.id))} ${iconButton('close', 'Keep the old title', () => (this.renaming = undefined))}
    `;
  }

  private readonly startNew = (): void => {
    askHost(this, 'conversation-new', {});
    this.onClose();
  };

  private open(id: string): void {
    if (id !== this.currentId) {
      askHost(this, 'conversation-open', { id });
    }
    this.onClose();
  }

  private startRename(id: string): void {
    this.renaming = id;
    void this.updateComplete.then(() => requestAnimationFrame(() => this.renameField()?.focus()));
  }

  private rename(id: string): void {
    const title = (this.renameField()?.value ?? '').trim();
    this.renaming = undefined;
    if (title !== '') {
      askHost(this, 'conversation-rename', { id, title });
    }
  }

  private onRenameKey(event: KeyboardEvent, id: string): void {
    if (event.key === 'Enter' && !event.isComposing) {
      this.rename(id);
    } else if (event.key === 'Escape') {
      event.preventDefault();
      event.stopPropagation();
      this.renaming = undefined;
    }
  }

  private renameField(): (HTMLElement & { value: string }) | null {
    return this.renderRoot.querySelector('[data-test=rename-field]');
  }
}

/** `just now`, `5 min ago`, `3 h ago`, then the date. */
export function describeAge(ageMs: number, atMs: number): string {
  const minutes = Math.floor(ageMs / 60_000);
  if (minutes < 1) {
    return 'just now';
  }
  if (minutes < 60) {
    return `${minutes} min ago`;
  }
  if (minutes < 24 * 60) {
    return `${Math.floor(minutes / 60)} h ago`;
  }
  return new Date(atMs).toLocaleDateString(undefined, { year: 'numeric', month: 'short', day: 'numeric' });
}
