/** `<glm-alignment-costs>`: what each kind of misplaced tensor costs, as a table whose last column is the plot. */

import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { noCostRemark } from '../../../src/common/alignment';
import type { AlignmentCostView } from '../../../src/common/protocol/reportView';
import { baseStyles } from '../../common/baseStyles';
import { cssProperties } from '../../common/cssProperties';

@customElement('glm-alignment-costs')
export class AlignmentCosts extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
        overflow-x: auto;
      }
      table {
        border-collapse: collapse;
        font-variant-numeric: tabular-nums;
        width: 100%;
      }
      th,
      td {
        padding: 4px 12px 4px 0;
        text-align: start;
        font-weight: normal;
        border-bottom: 1px solid var(--vscode-widget-border, var(--vscode-contrastBorder, color-mix(in srgb, currentColor 20%, transparent)));
      }
      thead th {
        font-weight: 600;
        white-space: nowrap;
      }
      .number {
        text-align: end;
        white-space: nowrap;
      }
      .bar-cell {
        min-width: 120px;
        width: 40%;
      }
      .bar {
        height: 10px;
        min-width: 1px;
        background: var(--vscode-charts-blue, currentColor);
        border: 1px solid var(--vscode-contrastBorder, transparent);
      }
    `,
  ];

  @property({ attribute: false }) costs: readonly AlignmentCostView[] = [];

  override render(): TemplateResult {
    const largest = Math.max(...this.costs.map(({ costMsPerToken }) => costMsPerToken), Number.MIN_VALUE);
    return html`<table data-test="alignment-costs">
      <thead>
        <tr>
          <th scope="col">Misplaced</th>
          <th scope="col" class="number">Bytes per token</th>
          <th scope="col" class="number">Aligned tok/s</th>
          <th scope="col" class="number">Misaligned tok/s</th>
          <th scope="col" class="number">Cost, ms per token</th>
          <th scope="col"><span class="visually-hidden">Cost as a bar</span></th>
        </tr>
      </thead>
      <tbody>
        ${this.costs.map(
          (cost) => html`<tr>
            <th scope="row">${cost.label}${cost.simulated === true ? html` <span class="muted">(simulated)</span>` : nothing}</th>
            <td class="number">${cost.bytesPerToken}</td>
            <td class="number">${cost.alignedTokensPerSecond.toFixed(1)}</td>
            <td class="number">${cost.misalignedTokensPerSecond.toFixed(1)}</td>
            <td class="number">${cost.costMsPerToken.toFixed(3)}</td>
            <td class="bar-cell">
              ${noCostRemark(cost) === undefined ? html`<div class="bar" aria-hidden="true" ${cssProperties({ width: `${(cost.costMsPerToken / largest) * 100}%` })}></div>` : html`<span class="muted">${noCostRemark(cost)}</span>`}
            </td>
          </tr>`,
        )}
      </tbody>
    </table>`;
  }
}
