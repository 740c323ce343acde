/** `<glm-notice>`: a framed message with an icon, buttons in its `actions` slot, and an optional dismiss button. */

import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { baseStyles } from '../../common/baseStyles';
import { icon, type IconName } from '../../common/codicons';
import { iconButton } from '../../common/iconButton';

export type NoticeKind = 'info' | 'warning' | 'error' | 'fixed';

const icons: Readonly<Record<NoticeKind, IconName>> = { info: 'info', warning: 'warning', error: 'error', fixed: 'pass' };

@customElement('glm-notice')
export class Notice extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
        border: 1px solid var(--notice-border);
        border-radius: 6px;
        background: var(--notice-background);
        color: var(--notice-foreground, var(--vscode-foreground));
        --notice-border: var(--vscode-inputValidation-infoBorder);
        --notice-background: var(--vscode-inputValidation-infoBackground);
        --notice-accent: var(--vscode-charts-blue);
      }
      :host([kind='warning']) {
        --notice-border: var(--vscode-inputValidation-warningBorder);
        --notice-background: var(--vscode-inputValidation-warningBackground);
        --notice-accent: var(--vscode-charts-yellow);
      }
      :host([kind='error']) {
        --notice-border: var(--vscode-inputValidation-errorBorder);
        --notice-background: var(--vscode-inputValidation-errorBackground);
        --notice-accent: var(--vscode-errorForeground);
      }
      :host([kind='fixed']) {
        --notice-border: var(--vscode-panel-border, var(--vscode-widget-border));
        --notice-background: var(--vscode-editorWidget-background);
        --notice-accent: var(--vscode-charts-green);
      }
      .frame {
        display: flex;
        gap: 8px;
        padding: 7px 8px 7px 9px;
        align-items: flex-start;
      }
      .frame > .icon {
        color: color-mix(in srgb, var(--notice-accent) 60%, var(--vscode-foreground));
        margin-top: 1px;
      }
      .body {
        flex: 1;
        min-width: 0;
        overflow-wrap: anywhere;
        line-height: 1.4;
      }
      .actions {
        display: flex;
        flex-wrap: wrap;
        gap: 6px;
      }
      .actions.filled {
        margin-top: 7px;
      }
    `,
  ];

  @property({ reflect: true }) kind: NoticeKind = 'info';
  @property({ attribute: false }) onDismiss: (() => void) | undefined;
  @property({ type: Boolean }) hasActions = false;

  override render(): TemplateResult {
    return html`
      <div class="frame">
        ${icon(icons[this.kind])}
        <div class="body">
          <slot></slot>
          <div class="actions ${this.hasActions ? 'filled' : ''}"><slot name="actions"></slot></div>
        </div>
        ${this.onDismiss === undefined ? nothing : iconButton('close', 'Dismiss', this.onDismiss)}
      </div>
    `;
  }
}
