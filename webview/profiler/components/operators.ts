/** `<glm-operators>`: where a profiled step's time goes, by operator, layer or node, with what the device could do. */

import { html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { cacheFraction, shareOfCopyText } from '../../../src/common/bandwidthText';
import { formatBytes } from '../../../src/common/byteFormat';
import type { OperatorRow, OperatorTable } from '../../../src/common/profileSummary';
import { baseStyles } from '../../common/baseStyles';
import { cssProperties } from '../../common/cssProperties';
import { formatDuration, formatShare } from '../../common/numberFormat';
import { selectStyles } from '../../common/selectStyles';
import { tableStyles } from '../../common/tableStyles';

const groupings = { byType: 'operator', byLayer: 'layer', byNode: 'node' } as const;
type Grouping = keyof typeof groupings;

/** Longer lists are of little use and slow to lay out; the export has all. */
const mostRows = 60;

@customElement('glm-operators')
export class Operators extends LitElement {
  static override styles = [...baseStyles, tableStyles, selectStyles];

  @property({ attribute: false }) operators: readonly OperatorTable[] = [];
  @state() private kind: OperatorTable['kind'] = 'decode';
  @state() private grouping: Grouping = 'byType';

  override render(): TemplateResult | typeof nothing {
    const table = this.operators.find(({ kind }) => kind === this.kind) ?? this.operators[0];
    if (table === undefined) {
      return nothing;
    }
    const rows = table[this.grouping].slice(0, mostRows);
    return html`<div class="row">
        <label>Step
          <select data-test="step-kind" @change=${(event: Event) => (this.kind = (event.target as HTMLSelectElement).value as OperatorTable['kind'])}>
            ${this.operators.map((each) => html`<option value=${each.kind} ?selected=${each === table}>${each.kind === 'decode' ? 'decode, one token' : `prefill, ${each.tokens} tokens`}</option>`)}
          </select>
        </label>
        <label>by
          <select data-test="grouping" @change=${(event: Event) => (this.grouping = (event.target as HTMLSelectElement).value as Grouping)}>
            ${Object.entries(groupings).map(([value, label]) => html`<option value=${value} ?selected=${value === this.grouping}>${label}</option>`)}
          </select>
        </label>
      </div>
      <p data-test="clock"><strong>${table.clock === 'device time' ? 'Device time' : 'Host time'}${table.mode === 'extra' ? ', extra uncaptured steps' : ''}.</strong> ${table.note}</p>
      <p class="numbers">A ${table.hasPlainStep ? 'plain' : 'profiled'} step takes ${formatDuration(table.stepMs)}, its nodes together ${formatDuration(table.nodesMs)}: medians of ${table.numSteps} ${table.numSteps === 1 ? 'step' : 'steps'} after ${table.contextTokens} tokens.</p>
      <div class="scroller" tabindex="0" role="region" aria-label="Time by ${groupings[this.grouping]}">
        <table data-test="operators">
          <thead>
            <tr>
              <th scope="col">${groupings[this.grouping]}</th>
              <th scope="col" class="number">time</th>
              <th scope="col">share</th>
              <th scope="col" class="number">nodes</th>
              <th scope="col" class="number">bytes</th>
              <th scope="col" class="number">achieved</th>
              <th scope="col" class="number">of the copy’s bandwidth</th>
            </tr>
          </thead>
          <tbody>
            ${rows.map((row) => this.renderRow(row))}
          </tbody>
        </table>
      </div>
      ${rows.some(({ bandwidthFraction = 0 }) => bandwidthFraction > cacheFraction) ? html`<p class="muted">“cached”: faster than a copy within the device’s memory, so a cache held the data and memory was not the limit.</p>` : nothing}
      ${table[this.grouping].length > mostRows ? html`<p class="muted">The ${mostRows} longest of ${table[this.grouping].length}; the export has all.</p>` : nothing}`;
  }

  private renderRow(row: OperatorRow): TemplateResult {
    return html`<tr>
      <th scope="row">${row.label}</th>
      <td class="number">${formatDuration(row.ms)}</td>
      <td><span class="meter" aria-hidden="true"><span ${cssProperties({ width: `${Math.min(100, row.share * 100)}%` })}></span></span> ${formatShare(row.share)}</td>
      <td class="number">${row.numNodes}</td>
      <td class="number">${formatBytes(row.bytes)}</td>
      <td class="number">${achieved(row)}</td>
      <td class="number">${row.bandwidthFraction === undefined ? 'n/a' : shareOfCopyText(row.bandwidthFraction)}</td>
    </tr>`;
  }
}

/** Whichever says more: a product of large matrices computes, everything else moves bytes. */
function achieved({ flopsPerSecond, bytesPerSecond, flops = 0, bytes = 0 }: OperatorRow): string {
  if (flopsPerSecond !== undefined && flops > 50 * bytes) {
    return flopsPerSecond >= 1e12 ? `${(flopsPerSecond / 1e12).toFixed(1)} TFLOP/s` : `${(flopsPerSecond / 1e9).toFixed(0)} GFLOP/s`;
  }
  // Decimal, as bandwidths are quoted.
  return bytesPerSecond === undefined ? 'n/a' : bytesPerSecond >= 1e12 ? `${(bytesPerSecond / 1e12).toFixed(2)} TB/s` : `${(bytesPerSecond / 1e9).toFixed(bytesPerSecond >= 1e11 ? 0 : 1)} GB/s`;
}
