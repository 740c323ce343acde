/** `<glm-placement>`: the model's parts on its devices, what each holds and takes, and the copies between stages. A part opens its nodes. */

import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { formatBytes } from '../../../src/common/byteFormat';
import type { PlacedPart, PlacementMap, StageCopy } from '../../../src/common/profile';
import type { OperatorTable } from '../../../src/common/profileSummary';
import { nodesOfPart, stagesOf, type PlacedStage } from '../placedStages';
import { baseStyles } from '../../common/baseStyles';
import { cssProperties } from '../../common/cssProperties';
import { formatDuration } from '../../common/numberFormat';
import { tableStyles } from '../../common/tableStyles';

const partName = ({ part, layer }: PlacedPart): string => (part === 'layer' ? `layer ${layer}` : part);
/** The same part in the next reading of the map. */
const isSamePart = (a: PlacedPart, b: PlacedPart | undefined): boolean => a.part === b?.part && a.layer === b.layer;
const routeText: Readonly<Record<StageCopy['route'], string>> = { 'same-device': 'within the device', peer: 'directly from device to device', host: 'through the host’s memory' };

@customElement('glm-placement')
export class Placement extends LitElement {
  static override styles = [
    ...baseStyles,
    tableStyles,
    css`
      .stage {
        border: 1px solid var(--vscode-contrastBorder, var(--vscode-editorWidget-border, rgba(128, 128, 128, 0.35)));
        border-radius: 4px;
        padding: 8px 10px;
      }
      .parts {
        display: flex;
        flex-wrap: wrap;
        gap: 3px;
        margin-top: 6px;
      }
      .part {
        display: flex;
        flex-direction: column;
        justify-content: flex-end;
        align-items: center;
        min-width: 27px;
        height: 48px;
        padding: 0 4px;
        font-size: 0.86em;
        border: 1px solid var(--vscode-contrastBorder, transparent);
        background: var(--vscode-editorWidget-background, transparent);
        position: relative;
        overflow: hidden;
      }
      .part[aria-pressed='true'] {
        outline: 2px solid var(--vscode-focusBorder);
      }
      .part .fill {
        position: absolute;
        inset: auto 0 0 0;
        background: var(--vscode-charts-blue, currentColor);
        opacity: 0.3;
      }
      .part .name {
        position: relative;
      }
      .copy {
        margin: 4px 0 4px 12px;
      }
    `,
  ];

  @property({ attribute: false }) placement: PlacementMap | undefined;
  @property({ attribute: false }) operators: readonly OperatorTable[] = [];
  @state() private chosen: PlacedPart | undefined;

  override render(): TemplateResult | typeof nothing {
    const { placement } = this;
    if (placement === undefined) {
      return nothing;
    }
    const stages = stagesOf(placement);
    const hasTimes = placement.parts.some(({ decodeMs }) => decodeMs !== undefined);
    const measureOf = (part: PlacedPart): number => (hasTimes ? (part.decodeMs ?? 0) : part.weightBytes);
    const most = Math.max(...placement.parts.map(measureOf), Number.MIN_VALUE);
    return html`<p class="muted">
        Each box is a part of the model; it is filled by ${hasTimes ? `its time in a decode step (${placement.parts.some(({ clock }) => clock === 'device') ? 'device time' : 'host time'})` : 'its bytes, since no step was profiled yet'}.
        Choose one to see its nodes.
      </p>
      ${stages.map((stage, index) => html`${this.renderStage(stage, measureOf, most)} ${index < stages.length - 1 ? this.renderCopy(placement.copies.find((copy) => copy.fromStage === stage.stageIndex)) : nothing}`)}
      ${this.renderNodes(placement)}`;
  }

  private renderStage(stage: PlacedStage, measureOf: (part: PlacedPart) => number, most: number): TemplateResult {
    return html`<section class="stage" aria-label="Stage ${stage.stageIndex} on ${stage.device}">
      <div class="row numbers">
        <strong>${stage.device}</strong><span>stage ${stage.stageIndex}, ${stage.extent}</span><span class="muted">${formatBytes(stage.weightBytes)} weights</span>
        <span class="muted">${formatBytes(stage.kvBytesPerPosition)} KV cache a position</span>${stage.decodeMs === undefined ? nothing : html`<span class="muted">${formatDuration(stage.decodeMs)} a decode step</span>`}
      </div>
      <div class="parts">
        ${stage.parts.map(
          (part) => html`<button
            class="plain part"
            data-test="part"
            aria-pressed=${String(isSamePart(part, this.chosen))}
            aria-label="${partName(part)}: ${formatBytes(part.weightBytes)}, ${part.decodeMs === undefined ? 'time not measured' : `${formatDuration(part.decodeMs)} a decode step`}"
            title="${partName(part)}: ${formatBytes(part.weightBytes)}${part.decodeMs === undefined ? '' : `, ${formatDuration(part.decodeMs)} a decode step`}${part.prefillMs === undefined ? '' : `, ${formatDuration(part.prefillMs)} a prefill step`}"
            @click=${() => (this.chosen = isSamePart(part, this.chosen) ? undefined : part)}
          >
            <span class="fill" ${cssProperties({ height: `${(100 * measureOf(part)) / most}%` })}></span><span class="name">${part.part === 'layer' ? part.layer : part.part}</span>
          </button>`,
        )}
      </div>
    </section>`;
  }

  private renderCopy(copy: StageCopy | undefined): TemplateResult | typeof nothing {
    return copy === undefined
      ? nothing
      : html`<p class="copy numbers" data-test="copy">↓ ${copy.from} to ${copy.to}, ${routeText[copy.route]}: ${formatBytes(copy.bytesPerToken)} a token${copy.msPerToken === undefined ? '' : `, ${formatDuration(copy.msPerToken)}`}</p>`;
  }

  private renderNodes(placement: PlacementMap): TemplateResult | typeof nothing {
    const chosen = placement.parts.find((part) => isSamePart(part, this.chosen));
    if (chosen === undefined) {
      return nothing;
    }
    const rows = nodesOfPart(chosen, placement, this.operators);
    return html`<section aria-labelledby="nodes">
      <h3 id="nodes">Nodes of ${partName(chosen)} on ${chosen.device}</h3>
      ${rows.length === 0
        ? html`<p class="muted">The runtime does not tell its nodes without a profiled step. Profile a generation to see them.</p>`
        : html`<div class="scroller" tabindex="0" role="region" aria-label="Nodes">
            <table data-test="nodes">
              <thead>
                <tr>
                  <th scope="col">node</th>
                  <th scope="col">operator</th>
                  <th scope="col">execution provider</th>
                  <th scope="col" class="number">decode</th>
                  <th scope="col" class="number">bytes</th>
                </tr>
              </thead>
              <tbody>
                ${rows.map(
                  (row) => html`<tr>
                    <th scope="row">${row.name}</th>
                    <td>${row.opType}</td>
                    <td>${row.provider}</td>
                    <td class="number">${formatDuration(row.decodeMs)}</td>
                    <td class="number">${formatBytes(row.bytes)}</td>
                  </tr>`,
                )}
              </tbody>
            </table>
          </div>`}
    </section>`;
  }
}
