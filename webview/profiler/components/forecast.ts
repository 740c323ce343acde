/** `<glm-forecast>`: what a context and a batch would take of each device's memory, and where it stops fitting. */

import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { formatBytes } from '../../../src/common/byteFormat';
import type { ForecastBasis } from '../../../src/common/profile';
import { forecastMemory, type DeviceForecast, type MemoryForecast } from '../../../src/profiling/forecastMemory';
import { baseStyles } from '../../common/baseStyles';
import { icon } from '../../common/codicons';
import { cssProperties } from '../../common/cssProperties';
import { formatContext } from '../../common/numberFormat';

/** The slider moves over powers of two with half steps between them. */
const contextAt = (position: number, most: number): number => Math.min(most, Math.round(2 ** (8 + position / 2)));
const positionsFor = (most: number): number => Math.max(1, Math.ceil(2 * (Math.log2(most) - 8)));

const shares = [
  { of: 'weightBytes', label: 'weights', tone: 'blue' },
  { of: 'kvBytes', label: 'KV cache', tone: 'yellow' },
  { of: 'activationBytes', label: 'per sequence', tone: 'purple' },
  { of: 'fixedBytes', label: 'fixed', tone: 'green' },
] as const;

@customElement('glm-forecast')
export class Forecast extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      label {
        display: grid;
        grid-template-columns: minmax(64px, max-content) minmax(90px, 320px) minmax(64px, max-content);
        gap: 10px;
        align-items: center;
        margin: 4px 0;
      }
      input {
        accent-color: var(--vscode-focusBorder);
        min-width: 0;
      }
      .device {
        margin: 10px 0;
      }
      .bar {
        position: relative;
        display: flex;
        height: 14px;
        margin: 3px 0;
        border: 1px solid var(--vscode-contrastBorder, var(--vscode-editorWidget-border, rgba(128, 128, 128, 0.5)));
        overflow: hidden;
      }
      .bar > span {
        height: 100%;
      }
      .limit {
        position: absolute;
        top: 0;
        width: 2px;
        background: var(--vscode-errorForeground);
      }
      .swatch {
        display: inline-block;
        width: 9px;
        height: 9px;
        margin-inline-end: 4px;
      }
      .verdict .icon {
        vertical-align: text-bottom;
      }
    `,
  ];

  @property({ attribute: false }) basis: ForecastBasis | undefined;
  @state() private contextTokens: number | undefined;
  @state() private batch: number | undefined;

  override render(): TemplateResult | typeof nothing {
    const { basis } = this;
    if (basis === undefined) {
      return nothing;
    }
    const contextTokens = this.contextTokens ?? basis.contextTokens;
    const batch = this.batch ?? basis.maxBatch;
    const forecast = forecastMemory(basis, { contextTokens, batch });
    const positions = positionsFor(basis.maxContextTokens);
    return html`
      <label>Context
        <input type="range" data-test="context" min="0" max=${positions} .value=${String(Math.round(2 * (Math.log2(contextTokens) - 8)))} aria-valuetext="${contextTokens} tokens"
          @input=${(event: Event) => (this.contextTokens = contextAt(Number((event.target as HTMLInputElement).value), basis.maxContextTokens))} />
        <output class="numbers">${formatContext(contextTokens)} tokens</output>
      </label>
      <label>Batch
        <input type="range" data-test="batch" min="1" max=${Math.max(64, basis.maxBatch)} .value=${String(batch)} aria-valuetext="${batch} sequences" @input=${(event: Event) => (this.batch = Number((event.target as HTMLInputElement).value))} />
        <output class="numbers">${batch} ${batch === 1 ? 'sequence' : 'sequences'}</output>
      </label>
      ${this.renderVerdict(forecast, basis)} ${forecast.devices.map((device) => this.renderDevice(device))}
      <p class="muted">Loaded with ${formatContext(basis.contextTokens)} tokens for ${basis.maxBatch} ${basis.maxBatch === 1 ? 'sequence' : 'sequences'}. A prediction from what is allocated now; layers stay where they are.</p>
    `;
  }

  private renderVerdict({ fits, tightest, largestContextTokens, largestBatch, batch }: MemoryForecast, { maxContextTokens }: ForecastBasis): TemplateResult {
    const limits = [
      ...(largestContextTokens === undefined ? [] : [`at most ${formatContext(largestContextTokens)} tokens for ${batch} ${batch === 1 ? 'sequence' : 'sequences'}${largestContextTokens >= maxContextTokens ? ', which is all that the model was made for' : ''}`]),
      ...(largestBatch === undefined ? [] : [`at most ${largestBatch.toLocaleString('en')} ${largestBatch === 1 ? 'sequence' : 'sequences'} with this context`]),
    ].join('; ');
    const verdict = fits === undefined ? 'Whether it fits is not known: no free memory was measured.' : fits ? 'Fits.' : `Does not fit${tightest === undefined ? '' : ` on ${tightest}`}.`;
    return html`<p class="verdict" role="status" data-test="verdict">${fits === false ? icon('warning') : fits === true ? icon('pass') : nothing} <strong>${verdict}</strong> ${limits === '' ? nothing : `${limits.charAt(0).toUpperCase()}${limits.slice(1)}.`}</p>`;
  }

  private renderDevice(device: DeviceForecast): TemplateResult {
    const whole = Math.max(device.predictedBytes, device.availableBytes ?? 0, 1);
    return html`<div class="device" data-test="device">
      <div class="row numbers">
        <strong>${device.device}</strong><span>${formatBytes(device.predictedBytes)}${device.availableBytes === undefined ? '' : ` of ${formatBytes(device.availableBytes)} available`}</span>
        ${shares.map(({ of, label, tone }) => html`<span class="muted"><span class="swatch" ${cssProperties({ background: `var(--vscode-charts-${tone})` })}></span>${label} ${formatBytes(device[of])}</span>`)}
      </div>
      <div class="bar" role="img" aria-label="${device.device}: ${formatBytes(device.predictedBytes)} predicted${device.availableBytes === undefined ? '' : `, ${formatBytes(device.availableBytes)} available`}">
        ${shares.map(({ of, tone }) => html`<span ${cssProperties({ width: `${(100 * device[of]) / whole}%`, background: `var(--vscode-charts-${tone})` })}></span>`)}
        ${device.fits === false ? html`<span class="limit" ${cssProperties({ left: `${(100 * (device.availableBytes ?? 0)) / whole}%` })}></span>` : nothing}
      </div>
    </div>`;
  }
}
