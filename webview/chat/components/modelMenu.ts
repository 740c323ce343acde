/** `<glm-model-menu>`: the model's name as a button, and the menu of models behind it. */

import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import type { ModelChoice, ModelState } from '../../../src/common/protocol/webview';
import { baseStyles } from '../../common/baseStyles';
import { icon, type IconName } from '../../common/codicons';
import { askHost } from '../viewRequest';

interface MenuEntry {
  readonly label: string;
  readonly detail?: string;
  readonly icon: IconName;
  readonly isDemo?: boolean;
  readonly isCurrent?: boolean;
  readonly run: () => void;
}

@customElement('glm-model-menu')
export class ModelMenu extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
        position: relative;
        min-width: 0;
      }
      .current {
        display: flex;
        align-items: center;
        gap: 4px;
        max-width: 100%;
        padding: 2px 4px 2px 6px;
        margin-inline-start: -6px;
        font-weight: 600;
        border-radius: 5px;
      }
      .current:hover,
      .current[aria-expanded='true'] {
        background: var(--vscode-toolbar-hoverBackground);
      }
      .name {
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      [role='menu'] {
        position: absolute;
        z-index: 20;
        inset-block-start: calc(100% + 3px);
        inset-inline-start: -6px;
        width: max-content;
        min-width: 220px;
        max-width: min(420px, calc(100vw - 16px));
        max-height: 60vh;
        overflow-y: auto;
        margin: 0;
        padding: 4px;
        border: 1px solid var(--vscode-menu-border, var(--vscode-widget-border, var(--vscode-contrastBorder, transparent)));
        border-radius: 7px;
        color: var(--vscode-menu-foreground);
        background: var(--vscode-menu-background);
        box-shadow: 0 4px 14px var(--vscode-widget-shadow, transparent);
      }
      [role='menuitem'] {
        display: flex;
        width: 100%;
        gap: 8px;
        padding: 5px 8px;
        align-items: flex-start;
      }
      [role='menuitem']:hover,
      [role='menuitem']:focus {
        color: var(--vscode-menu-selectionForeground);
        background: var(--vscode-menu-selectionBackground);
        outline: 1px solid var(--vscode-menu-selectionBorder, transparent);
        outline-offset: -1px;
      }
      .text {
        min-width: 0;
        display: block;
      }
      .label {
        display: block;
        overflow-wrap: anywhere;
      }
      .detail {
        display: block;
        font-size: 11px;
        opacity: 0.8;
        overflow-wrap: anywhere;
      }
      .separator {
        height: 1px;
        margin: 4px 2px;
        background: var(--vscode-menu-separatorBackground);
      }
      .mark {
        font-size: 10px;
        font-weight: normal;
        padding: 0 5px;
        margin-inline-start: 4px;
        border-radius: 8px;
        border: 1px solid currentColor;
        opacity: 0.85;
        white-space: nowrap;
      }
    `,
  ];

  @property({ attribute: false }) model: ModelState = { kind: 'none' };
  @property({ attribute: false }) choices: readonly ModelChoice[] = [];
  /** Until the host has answered it is not known whether there is a model. */
  @property({ type: Boolean }) isConnecting = false;
  @state() private isOpen = false;
  @query('.current') private readonly button!: HTMLButtonElement;

  override render(): TemplateResult {
    const name = this.isConnecting ? 'GLM' : modelName(this.model);
    const isDemo = this.model.kind === 'ready' && this.model.model.description.isDemo;
    return html`
      <button
        class="plain current"
        data-test="model-button"
        aria-haspopup="menu"
        aria-expanded=${this.isOpen ? 'true' : 'false'}
        title=${this.model.kind === 'ready' ? this.model.model.description.folder : 'Choose a model'}
        @click=${() => (this.isOpen ? this.close(true) : this.open())}
        @keydown=${this.onButtonKey}
      >
        <span class="name">${name}</span>${isDemo ? html`<span class="mark" data-test="demo-mark">demo</span>` : nothing}${icon('chevron-down')}
      </button>
      ${this.isOpen ? this.renderMenu() : nothing}
    `;
  }

  private renderMenu(): TemplateResult {
    const [models, actions] = this.entries();
    return html`
      <div role="menu" aria-label="Models" data-test="model-menu" @keydown=${this.onMenuKey} @focusout=${this.onFocusOut}>
        ${models.map((entry) => this.renderEntry(entry))} ${models.length === 0 ? nothing : html`<div class="separator" role="separator"></div>`}
        ${actions.map((entry) => this.renderEntry(entry))}
      </div>
    `;
  }

  private renderEntry(entry: MenuEntry): TemplateResult {
    return html`<button
      class="plain"
      role="menuitem"
      tabindex="-1"
      aria-current=${entry.isCurrent ? 'true' : 'false'}
      @click=${() => {
        this.close(true);
        entry.run();
      }}
    >
      ${icon(entry.icon)}
      <span class="text">
        <span class="label">${entry.label}${entry.isDemo ? html`<span class="mark">demo</span>` : nothing}</span>
        ${entry.detail === undefined ? nothing : html`<span class="detail">${entry.detail}</span>`}
      </span>
    </button>`;
  }

  private entries(): readonly [readonly MenuEntry[], readonly MenuEntry[]] {
    const { model } = this;
    const current = model.kind === 'ready' ? model.model.description : undefined;
    const models = this.choices.map((choice): MenuEntry => {
      const isCurrent = current !== undefined && (choice.source === current.folder || choice.source === current.name);
      return { label: choice.label, detail: choice.detail, isDemo: choice.isDemo, isCurrent, icon: isCurrent ? 'check' : 'chip', run: () => askHost(this, 'model-choose', { source: choice.source }) };
    });
    const choose: MenuEntry = { label: 'Choose another model …', detail: 'A checkpoint folder or one from the Hugging Face cache', icon: 'folder-opened', run: () => askHost(this, 'model-choose', {}) };
    const reload: MenuEntry = { label: model.kind === 'lost' ? 'Restart engine' : 'Reload', icon: 'refresh', run: () => askHost(this, 'model-reload', {}) };
    const unload: MenuEntry = { label: 'Unload and free its memory', icon: 'close', run: () => askHost(this, 'model-unload', {}) };
    return [models, model.kind === 'ready' ? [choose, reload, unload] : model.kind === 'lost' || model.kind === 'failed' ? [choose, reload] : [choose]];
  }

  private open(): void {
    this.isOpen = true;
    void this.updateComplete.then(() => this.items()[0]?.focus());
  }

  private close(returnFocus: boolean): void {
    this.isOpen = false;
    if (returnFocus) {
      this.button.focus();
    }
  }

  private items(): readonly HTMLElement[] {
    return [...this.renderRoot.querySelectorAll<HTMLElement>('[role=menuitem]')];
  }

  private readonly onButtonKey = (event: KeyboardEvent): void => {
    if (event.key === 'ArrowDown') {
      event.preventDefault();
      this.open();
    }
  };

  private readonly onMenuKey = (event: KeyboardEvent): void => {
    const items = this.items();
    const at = items.indexOf(this.shadowRoot?.activeElement as HTMLElement);
    const targets: Readonly<Record<string, number>> = { ArrowDown: (at + 1) % items.length, ArrowUp: (at - 1 + items.length) % items.length, Home: 0, End: items.length - 1 };
    const target = targets[event.key];
    if (target !== undefined) {
      event.preventDefault();
      items[target]?.focus();
    } else if (event.key === 'Escape') {
      event.preventDefault();
      event.stopPropagation();
      this.close(true);
    }
  };

  private readonly onFocusOut = (event: FocusEvent): void => {
    const next = event.relatedTarget;
    if (!(next instanceof Node) || !this.renderRoot.contains(next)) {
      this.close(false);
    }
  };
}

function modelName(model: ModelState): string {
  switch (model.kind) {
    case 'none':
      return 'Choose a model';
    case 'ready':
      return model.model.description.name;
    default:
      return model.name;
  }
}
