/** A toolkit button that shows only an icon and is named for everyone else. */

import { html, type TemplateResult } from 'lit';
import { ifDefined } from 'lit/directives/if-defined.js';
import { icon, type IconName } from './codicons';

export interface IconButtonOptions {
  readonly disabled?: boolean;
  readonly pressed?: boolean;
  /** For tests and the end-to-end pass. */
  readonly testId?: string;
}

export function iconButton(name: IconName, label: string, onClick: (event: Event) => void, options: IconButtonOptions = {}): TemplateResult {
  return html`<vscode-button
    appearance="icon"
    aria-label=${label}
    title=${label}
    data-test=${ifDefined(options.testId)}
    aria-pressed=${ifDefined(options.pressed === undefined ? undefined : options.pressed ? 'true' : 'false')}
    ?disabled=${options.disabled ?? false}
    @click=${onClick}
    >${icon(name)}</vscode-button
  >`;
}
