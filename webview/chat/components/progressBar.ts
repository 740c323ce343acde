/** `<glm-progress-bar>`: a determinate bar. The toolkit's determinate ring writes a style attribute, which the content policy forbids. */

import { css, html, LitElement, type TemplateResult } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { baseStyles } from '../../common/baseStyles';
import { cssProperties } from '../../common/cssProperties';

@customElement('glm-progress-bar')
export class ProgressBar extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
      }
      .track {
        height: 4px;
        border-radius: 2px;
        overflow: hidden;
        background: color-mix(in srgb, var(--vscode-foreground) 16%, transparent);
      }
      .fill {
        height: 100%;
        background: var(--vscode-progressBar-background);
        transition: width 120ms linear;
      }
    `,
  ];

  /** 0–1. */
  @property({ attribute: false }) fraction = 0;
  @property() label = '';

  override render(): TemplateResult {
    const percent = Math.round(Math.min(1, Math.max(0, this.fraction)) * 100);
    return html`<div class="track" role="progressbar" aria-label=${this.label} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${percent}>
      <div class="fill" ${cssProperties({ width: `${percent}%` })}></div>
    </div>`;
  }
}
