/** Buttons and links for the next steps that an error or a message names. The host checks what it runs. */

import { html, nothing, type TemplateResult } from 'lit';
import type { NextStep } from '../../../src/common/errors';
import { askHost } from '../viewRequest';

/** @param isFirstPrimary  Whether the first step is the obvious one. */
export function nextStepButtons(from: EventTarget, steps: readonly NextStep[], isFirstPrimary = false): TemplateResult | typeof nothing {
  if (steps.length === 0) {
    return nothing;
  }
  return html`${steps.map((step, index) =>
    step.command === undefined && step.url === undefined
      ? html`<span class="muted">${step.label}</span>`
      : html`<vscode-button
          appearance=${isFirstPrimary && index === 0 ? 'primary' : 'secondary'}
          title=${step.url ?? step.label}
          @click=${() => askHost(from, 'next-step-run', step.command === undefined ? { url: step.url } : { command: step.command, args: step.args })}
          >${step.label}</vscode-button
        >`,
  )}`;
}
