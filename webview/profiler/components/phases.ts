/** `<glm-phases>`: where the time of the last request went, as a table. */

import { html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { formatBytes } from '../../../src/common/byteFormat';
import type { GenerationProfile } from '../../../src/common/profile';
import { phaseTable } from '../../../src/profiling/phaseTable';
import { baseStyles } from '../../common/baseStyles';
import { cssProperties } from '../../common/cssProperties';
import { formatDuration, formatPercent, formatShare } from '../../common/numberFormat';
import { tableStyles } from '../../common/tableStyles';
import { phaseTitle } from '../timeline/tracks';

@customElement('glm-phases')
export class Phases extends LitElement {
  static override styles = [...baseStyles, tableStyles];

  @property({ attribute: false }) generation: GenerationProfile | undefined;
  /** Then a step is the wait for it. */
  @property({ type: Boolean }) queued = false;

  override render(): TemplateResult | typeof nothing {
    const { generation } = this;
    if (generation === undefined) {
      return nothing;
    }
    const { rows, covered, totalMs } = phaseTable(generation);
    const { promptTokens, reusedTokens, generatedTokens, clock } = generation;
    return html`<p data-test="request">
        ${promptTokens} prompt tokens${reusedTokens === 0 ? '' : ` (${reusedTokens} of them reused)`}, ${generatedTokens} generated, ${formatDuration(totalMs)} from submit to end; the phases cover ${formatPercent(covered * 100)}.
        ${clock === 'device' ? '' : this.queued ? 'Timed by the host: work on a GPU is queued, so a step is the wait for it.' : 'Timed by the host.'}
      </p>
      <div class="scroller" tabindex="0" role="region" aria-label="Phases of the last request">
        <table data-test="phases">
          <thead>
            <tr>
              <th scope="col">phase</th>
              <th scope="col" class="number">time</th>
              <th scope="col">share</th>
              <th scope="col" class="number">count</th>
              <th scope="col" class="number">mean</th>
              <th scope="col" class="number">longest</th>
              <th scope="col" class="number">tokens</th>
              <th scope="col" class="number">bytes</th>
            </tr>
          </thead>
          <tbody>
            ${rows.map(
              (row) => html`<tr>
                <th scope="row">${phaseTitle(row.kind)}${row.kind === 'copy' ? html` <span class="muted">within steps</span>` : nothing}</th>
                <td class="number">${formatDuration(row.totalMs)}</td>
                <td><span class="meter" aria-hidden="true"><span ${cssProperties({ width: `${Math.min(100, row.share * 100)}%` })}></span></span> ${formatShare(row.share)}</td>
                <td class="number">${row.count}</td>
                <td class="number">${formatDuration(row.meanMs)}</td>
                <td class="number">${formatDuration(row.longestMs)}</td>
                <td class="number">${row.tokens ?? ''}</td>
                <td class="number">${row.bytes === undefined ? '' : formatBytes(row.bytes)}</td>
              </tr>`,
            )}
          </tbody>
        </table>
      </div>`;
  }
}
