/** `<glm-case-table>`: the figures of every case, its cautions under it, and how it compares with the baseline. */

import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import type { CaseAgainstBaseline, ReportView } from '../../../src/common/protocol/reportView';
import { baseStyles } from '../../common/baseStyles';
import { icon } from '../../common/codicons';

@customElement('glm-case-table')
export class CaseTable extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
      }
      .scroller {
        overflow-x: auto;
        border: 1px solid var(--vscode-widget-border, var(--vscode-editorWidget-border, var(--vscode-contrastBorder, transparent)));
        border-radius: 6px;
      }
      table {
        border-collapse: collapse;
        width: 100%;
        font-variant-numeric: tabular-nums;
      }
      th,
      td {
        padding: 5px 12px;
        text-align: start;
        white-space: nowrap;
        vertical-align: top;
      }
      thead th {
        font-weight: 600;
        border-bottom: 1px solid var(--vscode-widget-border, var(--vscode-editorWidget-border, var(--vscode-contrastBorder, transparent)));
      }
      tbody th {
        font-weight: 600;
      }
      /* The case stays in sight while the figures scroll. */
      tr > :first-child {
        position: sticky;
        left: 0;
        background: var(--vscode-editor-background);
        max-width: 40vw;
        white-space: normal;
        min-width: clamp(90px, 18vw, 220px);
      }
      .number {
        text-align: end;
      }
      .verdict {
        white-space: normal;
        min-width: clamp(130px, 21vw, 250px);
        max-width: 340px;
      }
      .label {
        display: inline-flex;
        gap: 4px;
        align-items: center;
        font-weight: 600;
      }
      ul {
        list-style: none;
        margin: 8px 0 0;
        padding: 0;
      }
      .caution {
        display: flex;
        gap: 6px;
        padding: 1px 0;
        overflow-wrap: anywhere;
      }
      .caution .icon,
      .label .icon {
        color: var(--vscode-editorWarning-foreground, var(--vscode-foreground));
      }
    `,
  ];

  @property({ attribute: false }) report: ReportView | undefined;

  override render(): TemplateResult | typeof nothing {
    const { report } = this;
    if (report === undefined) {
      return nothing;
    }
    const compares = report.cases.length > 1;
    const [first, ...figures] = report.columns;
    const withCautions = report.cases.filter((each) => each.cautions.length > 0);
    // The comparison comes right after the case: at the far end of the figures nobody would see "not comparable".
    return html`<div class="scroller" tabindex="0" role="region" aria-label="Figures of every case, medians">
        <table data-test="table">
          <thead>
            <tr>
              <th scope="col">${first?.title}</th>
              ${compares ? html`<th scope="col" class="verdict">decode speed against the baseline</th>` : nothing} ${figures.map((column) => html`<th scope="col" class=${column.isNumeric ? 'number' : ''}>${column.title}</th>`)}
            </tr>
          </thead>
          <tbody>
            ${report.cases.map(
              (each, index) => html`<tr>
                <th scope="row">${each.cells[0]}</th>
                ${compares ? html`<td class="verdict" data-test="verdict">${this.renderVerdict(report.comparisons[index], index)}</td>` : nothing}
                ${each.cells.slice(1).map((text, column) => html`<td class=${figures[column]?.isNumeric === true ? 'number' : ''}>${text}</td>`)}
              </tr>`,
            )}
          </tbody>
        </table>
      </div>
      ${withCautions.length === 0
        ? nothing
        : html`<ul aria-label="Cautions" data-test="cautions">
            ${withCautions.map(({ name, cautions }) => html`<li class="caution">${icon('warning')}<span><strong>${name}:</strong> ${cautions.join('; ')}</span></li>`)}
          </ul>`}`;
  }

  private renderVerdict(comparison: CaseAgainstBaseline | undefined, index: number): TemplateResult | typeof nothing {
    switch (comparison?.kind) {
      case undefined:
        return nothing;
      case 'baseline':
        return html`baseline`;
      case 'not-comparable':
        return html`<span class="label">${icon('warning')}not comparable</span>
          ${comparison.broken.map((each) => html`<div class="muted">rule “${each.rule}”: ${each.explanation}</div>`)} ${this.renderChoose(index)}`;
      case 'compared':
        return html`${comparison.isDifferent ? html`<strong>${comparison.ratio.toFixed(2)} ×</strong> ${comparison.ratio > 1 ? 'as fast' : 'the speed'}` : html`no difference beyond chance (${comparison.ratio.toFixed(2)} ×)`}
          ${comparison.isUnreliable ? html`<div class="label" data-test="unreliable">${icon('warning')}unreliable: too few runs, or they scatter</div>` : nothing}
          <div class="muted">${Math.round(comparison.confidence * 100)} % interval ${comparison.low.toFixed(2)} to ${comparison.high.toFixed(2)}</div>
          ${this.renderChoose(index)}`;
      default:
        return comparison satisfies never;
    }
  }

  private renderChoose(index: number): TemplateResult {
    return html`<button class="link" aria-label="Use as baseline: ${this.report?.cases[index]?.name ?? ''}" @click=${() => this.dispatchEvent(new CustomEvent('baseline', { detail: index }))}>Use as baseline</button>`;
  }
}
