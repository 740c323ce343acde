/** `<glm-device-row>`: one device as a line (memory bar, utilisation, temperature) that opens to all its readings. */

import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { formatBytes } from '../../../src/common/byteFormat';
import { baseStyles } from '../../common/baseStyles';
import { icon } from '../../common/codicons';
import { cssProperties } from '../../common/cssProperties';
import { formatPercent, formatUsedOfTotal } from '../../common/numberFormat';
import type { DeviceView } from '../state/deviceMemory';

@customElement('glm-device-row')
export class DeviceRow extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
      }
      button.line {
        display: grid;
        grid-template-columns: max-content minmax(36px, 1fr) max-content 4.6ch 3.2ch;
        align-items: center;
        gap: 7px;
        padding: 2px 3px;
        margin: 0 -3px;
        width: calc(100% + 6px);
        font-size: 12px;
      }
      button.line:hover {
        background: var(--vscode-list-hoverBackground);
      }
      .id {
        min-width: 5ch;
        white-space: nowrap;
      }
      .number {
        text-align: end;
        white-space: nowrap;
      }
      .bar {
        display: flex;
        height: 9px;
        border-radius: 3px;
        overflow: hidden;
        background: color-mix(in srgb, var(--vscode-foreground) 14%, transparent);
      }
      :host-context(.vscode-high-contrast) .bar,
      :host-context(.vscode-high-contrast-light) .bar {
        border: 1px solid var(--vscode-contrastBorder);
        background: none;
      }
      .segment {
        height: 100%;
        min-width: 2px;
      }
      :host-context(.vscode-high-contrast) .segment + .segment,
      :host-context(.vscode-high-contrast-light) .segment + .segment {
        box-shadow: -1px 0 0 var(--vscode-sideBar-background);
      }
      .weights {
        background: var(--vscode-charts-blue);
      }
      .kv {
        background: var(--vscode-charts-green);
      }
      .activations {
        background: var(--vscode-charts-purple);
      }
      .other {
        background: repeating-linear-gradient(135deg, color-mix(in srgb, var(--vscode-foreground) 55%, transparent) 0 2px, color-mix(in srgb, var(--vscode-foreground) 22%, transparent) 2px 4px);
      }
      .planned {
        background: repeating-linear-gradient(90deg, var(--vscode-charts-blue) 0 1px, transparent 1px 4px);
        opacity: 0.8;
      }
      .lost {
        color: var(--glm-error-text);
        display: flex;
        gap: 4px;
        align-items: center;
        grid-column: 2 / -1;
      }
      .details {
        display: grid;
        grid-template-columns: max-content 1fr;
        gap: 2px 10px;
        margin: 4px 0 6px;
        padding: 7px 9px;
        border-radius: 6px;
        border: 1px solid var(--vscode-panel-border, transparent);
        background: var(--vscode-editorWidget-background);
        font-size: 11px;
      }
      .details dt {
        color: var(--glm-muted);
        display: flex;
        align-items: center;
        gap: 5px;
      }
      .details dd {
        margin: 0;
        overflow-wrap: anywhere;
      }
      .details .wide {
        grid-column: 1 / -1;
      }
      .swatch {
        width: 8px;
        height: 8px;
        border-radius: 2px;
        flex: none;
      }
    `,
  ];

  @property({ attribute: false }) device: DeviceView | undefined;
  @property({ type: Boolean }) isOpen = false;

  override render(): TemplateResult | typeof nothing {
    const { device } = this;
    if (device === undefined) {
      return nothing;
    }
    const { reading } = device;
    return html`
      <button class="plain line numbers" data-test="device" aria-expanded=${this.isOpen ? 'true' : 'false'} title=${describe(device)} @click=${() => this.dispatchEvent(new Event('glm-toggle'))}>
        <span class="id">${device.id}</span>
        ${device.lost === undefined
          ? html`
              <span class="bar" aria-hidden="true">
                ${device.segments.map((segment) => html`<span class="segment ${segment.kind}" ${cssProperties({ width: `${(segment.fraction * 100).toFixed(2)}%` })}></span>`)}
              </span>
              <span class="number">${formatUsedOfTotal(device.usedBytes, device.totalBytes, formatBytes)}</span>
              <span class="number">${formatPercent(reading?.utilizationPercent)}</span>
              <span class="number">${reading?.temperatureCelsius === undefined ? 'n/a' : `${Math.round(reading.temperatureCelsius)}°`}</span>
            `
          : html`<span class="lost">${icon('debug-disconnect')} not answering</span>`}
      </button>
      ${this.isOpen ? this.renderDetails(device) : nothing}
    `;
  }

  private renderDetails(device: DeviceView): TemplateResult {
    const { description, reading, use } = device;
    const freeBytes = device.usedBytes === undefined || device.totalBytes === undefined ? reading?.freeBytes : device.totalBytes - device.usedBytes;
    const entry = (label: string, value: string, swatch?: string): TemplateResult =>
      html`<dt>${swatch === undefined ? nothing : html`<span class="swatch ${swatch}"></span>`}${label}</dt>
        <dd class="numbers">${value}</dd>`;
    const optional = (label: string, value: string | undefined): TemplateResult | typeof nothing => (value === undefined ? nothing : entry(label, value));
    const other = device.segments.find((segment) => segment.kind === 'other');
    const planned = device.segments.find((segment) => segment.kind === 'planned');
    return html`
      <dl class="details" data-test="device-details">
        ${device.lost === undefined ? nothing : html`<dd class="wide lost">${device.lost}</dd>`}
        ${optional('Device', description?.name)}
        ${use === undefined
          ? nothing
          : html`${entry('Weights', formatBytes(use.weightBytes), 'weights')} ${entry('KV cache', formatBytes(use.kvBytes), 'kv')}
            ${entry('Activations', formatBytes(use.activationBytes), 'activations')} ${use.stagingBytes > 0 ? entry('Staging', formatBytes(use.stagingBytes), 'activations') : nothing}`}
        ${planned === undefined ? nothing : entry('Planned', formatBytes(planned.bytes), 'planned')}
        ${entry('Other processes', device.usedBytes === undefined ? 'n/a' : formatBytes(other?.bytes ?? 0), 'other')} ${entry('Free', formatBytes(freeBytes))}
        ${entry('Power', withUnit(reading?.powerWatts, reading?.powerLimitWatts, 'W'))} ${optional('Clocks', describeClocks(device))}
        ${optional('PCIe', describePcie(device))}
        ${optional('Our share', reading?.ownUtilizationPercent === undefined ? undefined : `${Math.round(reading.ownUtilizationPercent)} %, ${formatBytes(reading.ownBytes)}`)}
        ${optional('Throttled', reading?.throttleReasons === undefined || reading.throttleReasons.length === 0 ? undefined : reading.throttleReasons.join(', '))}
        ${reading?.processes === undefined || reading.processes.length === 0
          ? nothing
          : entry('Processes', reading.processes.map((process) => `${process.name ?? 'pid'} ${process.pid}: ${formatBytes(process.usedBytes)}`).join(' · '))}
        ${optional('Driver', description?.driverVersion)} ${optional('Readings', description?.source)}
        ${(description?.notes ?? []).map((note) => html`<dd class="wide muted">${note}</dd>`)}
      </dl>
    `;
  }
}

/** The whole line in words: its tooltip, which screen readers give as its description. */
function describe(device: DeviceView): string {
  const { reading, description } = device;
  const name = `${device.id}${description === undefined ? '' : ` (${description.name})`}`;
  if (device.lost !== undefined) {
    return `${name}: ${device.lost}`;
  }
  const parts = [
    `${formatUsedOfTotal(device.usedBytes, device.totalBytes, formatBytes)} memory in use`,
    ...device.segments.map((segment) => `${segment.label} ${formatBytes(segment.bytes)}`),
    `utilisation ${formatPercent(reading?.utilizationPercent)}`,
    `temperature ${reading?.temperatureCelsius === undefined ? 'n/a' : `${Math.round(reading.temperatureCelsius)} °C`}`,
    `power ${withUnit(reading?.powerWatts, reading?.powerLimitWatts, 'W')}`,
  ];
  return `${name}: ${parts.join(', ')}`;
}

function withUnit(value: number | undefined, limit: number | undefined, unit: string): string {
  if (value === undefined) {
    return 'n/a';
  }
  return limit === undefined ? `${Math.round(value)} ${unit}` : `${Math.round(value)} of ${Math.round(limit)} ${unit}`;
}

function describeClocks({ reading }: DeviceView): string | undefined {
  if (reading?.smClockMhz === undefined && reading?.memoryClockMhz === undefined) {
    return undefined;
  }
  return `SM ${reading.smClockMhz ?? 'n/a'} MHz, memory ${reading.memoryClockMhz ?? 'n/a'} MHz`;
}

function describePcie({ reading }: DeviceView): string | undefined {
  if (reading?.pcieRxBytesPerSecond === undefined && reading?.pcieTxBytesPerSecond === undefined) {
    return undefined;
  }
  return `${formatBytes(reading.pcieRxBytesPerSecond)}/s in, ${formatBytes(reading.pcieTxBytesPerSecond)}/s out`;
}
