/** `<glm-sparkline>`: a small curve of recent values, drawn by uPlot in the theme's colours. */

import { css, html, LitElement, type PropertyValues, type TemplateResult } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import type uPlot from 'uplot';
import { baseStyles } from '../../common/baseStyles';

@customElement('glm-sparkline')
export class Sparkline extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host([hidden]) {
        display: none;
      }
      :host {
        display: block;
        position: relative;
        overflow: hidden;
        height: 18px;
      }
      .uplot,
      .u-wrap {
        position: relative;
      }
      .u-under,
      .u-over {
        position: absolute;
      }
      canvas {
        display: block;
        position: relative;
        width: 100%;
        height: 100%;
      }
    `,
  ];

  @property({ attribute: false }) values: readonly number[] = [];
  /** Number of places on the horizontal axis; fewer values fill it from the right. */
  @property({ attribute: false }) numPlaces = 60;
  @property() label = '';

  private plot: uPlot | undefined;
  private readonly frame = document.createElement('div');
  private readonly resizes = new ResizeObserver(() => this.plot?.setSize(this.size()));
  private readonly themes = new MutationObserver(() => this.plot && void this.rebuild());

  override connectedCallback(): void {
    super.connectedCallback();
    this.resizes.observe(this);
    this.themes.observe(document.body, { attributes: true, attributeFilter: ['class'] });
    if (this.hasUpdated && this.values.length > 1) {
      void this.rebuild();
    }
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.resizes.disconnect();
    this.themes.disconnect();
    this.plot?.destroy();
    this.plot = undefined;
  }

  override render(): TemplateResult {
    return html`<div role="img" aria-label=${this.label}>${this.frame}</div>`;
  }

  override updated(changed: PropertyValues<this>): void {
    if (this.plot === undefined && this.values.length > 1) {
      void this.rebuild();
    } else if (changed.has('values')) {
      this.plot?.setData(this.data());
    }
  }

  /** uPlot is imported with the first curve: its start takes 15 ms, which the first paint should not wait for. */
  private async rebuild(): Promise<void> {
    const { default: UPlot } = await import('uplot');
    this.plot?.destroy();
    this.plot = undefined;
    if (!this.isConnected) {
      return;
    }
    const colour = getComputedStyle(this).getPropertyValue('--vscode-charts-blue').trim() || getComputedStyle(this).color;
    this.plot = new UPlot(
      {
        ...this.size(),
        padding: [2, 1, 1, 1],
        legend: { show: false },
        cursor: { show: false },
        axes: [{ show: false }, { show: false }],
        scales: { x: { time: false, range: () => [0, this.numPlaces - 1] }, y: { range: (_plot, _low, high) => [0, Math.max(high, 1)] } },
        series: [{}, { stroke: colour, width: 1.25, fill: withAlpha(colour, 0.18), points: { show: false } }],
      },
      this.data(),
      this.frame,
    );
  }

  private data(): uPlot.AlignedData {
    const offset = this.numPlaces - this.values.length;
    return [this.values.map((_, index) => offset + index), [...this.values]];
  }

  private size(): { readonly width: number; readonly height: number } {
    return { width: Math.max(10, this.clientWidth), height: 18 };
  }
}

/** `#rrggbb` with an alpha byte; other notations get no fill. */
function withAlpha(colour: string, alpha: number): string {
  const byte = Math.round(alpha * 255).toString(16).padStart(2, '0');
  return /^#[0-9a-f]{6}$/i.test(colour) ? `${colour}${byte}` : 'transparent';
}
