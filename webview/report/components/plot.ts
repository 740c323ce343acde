/** `<glm-plot>`: one uPlot chart in the theme's colours, with a cursor for the keyboard, its values as text, and a table of the same figures. */

import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import uPlot from 'uplot';
import { baseStyles } from '../../common/baseStyles';
import { ThemeChanges } from '../../common/themeChanges';
import { shown, type PlotSpec } from '../plotData';
import { plotOptions, readPlotColours } from '../plotOptions';
import { uplotStyles } from '../uplotStyles';

const plotHeight = 220;

@customElement('glm-plot')
export class Plot extends LitElement {
  static override styles = [
    ...baseStyles,
    uplotStyles,
    css`
      :host {
        display: block;
        min-width: 0;
      }
      .chart {
        min-height: ${plotHeight}px;
        border-radius: 4px;
      }
      details {
        margin-top: 4px;
        color: var(--glm-muted);
      }
      summary {
        cursor: pointer;
        width: fit-content;
      }
      .figures {
        max-height: 220px;
        overflow: auto;
      }
      table {
        border-collapse: collapse;
        font-variant-numeric: tabular-nums;
      }
      th,
      td {
        text-align: end;
        padding: 1px 10px 1px 0;
        font-weight: normal;
      }
    `,
  ];

  @property({ attribute: false }) spec: PlotSpec | undefined;
  @state() private readout = '';
  @query('.chart') private container!: HTMLElement;

  private chart: uPlot | undefined;
  private cursorIndex = -1;
  private readonly resizes = new ResizeObserver(() => this.fit());

  /** The drawn chart, for the picture that is exported. */
  get canvas(): HTMLCanvasElement | undefined {
    return this.chart?.ctx.canvas;
  }

  constructor() {
    super();
    new ThemeChanges(this, () => this.draw());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.resizes.disconnect();
    this.chart?.destroy();
    this.chart = undefined;
  }

  override render(): TemplateResult | typeof nothing {
    const { spec } = this;
    return spec === undefined
      ? nothing
      : html`<div class="chart" data-test="plot" role="img" tabindex="0" aria-label="${spec.title}. ${spec.summary}. The arrow keys read single values." @keydown=${this.onKey}></div>
          <div class="visually-hidden" role="status">${this.readout}</div>
          <details>
            <summary>Figures of this plot</summary>
            <div class="figures" tabindex="0" role="region" aria-label="Figures of this plot">
              <table>
                <thead>
                  <tr>
                    <th scope="col">${spec.xLabel}</th>
                    ${spec.series.map((series) => html`<th scope="col">${series.label}</th>`)}
                  </tr>
                </thead>
                <tbody>
                  ${spec.x.map((x, index) => html`<tr><th scope="row">${shownX(spec, x)}</th>${spec.series.map((series) => html`<td>${shownValue(series.values[index])}</td>`)}</tr>`)}
                </tbody>
              </table>
            </div>
          </details>`;
  }

  protected override firstUpdated(): void {
    this.resizes.observe(this.container);
  }

  protected override updated(changed: PropertyValues): void {
    if (changed.has('spec')) {
      this.cursorIndex = -1;
      this.draw();
    }
  }

  private draw(): void {
    this.chart?.destroy();
    this.chart = undefined;
    if (this.spec === undefined || this.container === null || this.container.clientWidth === 0) {
      return;
    }
    const options = plotOptions(this.spec, readPlotColours(this));
    this.chart = new uPlot({ ...options, width: this.container.clientWidth, height: plotHeight }, [[...this.spec.x], ...this.spec.series.map((series) => [...series.values])], this.container);
  }

  private fit(): void {
    const width = this.container.clientWidth;
    if (this.chart === undefined) {
      this.draw();
    } else if (width > 0 && width !== this.chart.width) {
      this.chart.setSize({ width, height: plotHeight });
    }
  }

  private readonly onKey = (event: KeyboardEvent): void => {
    const { spec, chart } = this;
    const last = (spec?.x.length ?? 0) - 1;
    const next = { ArrowRight: this.cursorIndex + 1, ArrowLeft: this.cursorIndex - 1, Home: 0, End: last }[event.key];
    if (next === undefined || spec === undefined || chart === undefined || last < 0) {
      return;
    }
    event.preventDefault();
    this.cursorIndex = Math.min(last, Math.max(0, next));
    const x = spec.x[this.cursorIndex] ?? 0;
    chart.setCursor({ left: chart.valToPos(x, 'x'), top: chart.over.clientHeight / 2 });
    this.readout = `${spec.xLabel} ${shownX(spec, x)}: ${spec.series.map((series) => `${series.label} ${shownValue(series.values[this.cursorIndex])}`).join(', ')}`;
  };
}

function shownX(spec: PlotSpec, x: number): string {
  return spec.xKind === 'time' ? new Date(x * 1000).toLocaleString() : shown(x);
}

function shownValue(value: number | null | undefined): string {
  return value === null || value === undefined ? 'n/a' : shown(value);
}
