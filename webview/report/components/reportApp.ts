/** `<glm-report>`: one benchmark report, from the table to the trend. Asks the host for everything that leaves the page. */

import { css, html, nothing, type TemplateResult } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import type { ExportFormat, ReportView, ReportViewContract, RunMetric } from '../../../src/common/protocol/reportView';
import { baseStyles } from '../../common/baseStyles';
import { icon } from '../../common/codicons';
import { formatDuration } from '../../common/numberFormat';
import { drawPicture } from '../drawPicture';
import { itlPlot, metricLabels, runsPlot, trendPlot } from '../plotData';
import { PanelApp } from '../../common/panelApp';
import { panelStyles } from '../../common/panelStyles';
import './alignmentCosts';
import './caseTable';
import './plot';
import type { Plot } from './plot';

@customElement('glm-report')
export class ReportApp extends PanelApp<ReportViewContract> {
  static override styles = [
    ...baseStyles,
    panelStyles,
    css`
      .choices {
        gap: 6px 16px;
      }
      .plots {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr));
        gap: 20px 28px;
      }
    `,
  ];

  @state() private report: ReportView | undefined;
  @state() private metric: RunMetric = 'decodeTokensPerSecond';
  @state() private caseIndex = 0;
  protected readonly openingLabel = 'Opening the report';
  private stopListening: (() => void) | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.stopListening = this.host?.on('report', (report) => this.take(report));
    void this.ask('view-ready', {}).then((report) => this.take(report));
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.stopListening?.();
  }

  protected renderContent(): TemplateResult | undefined {
    return this.report === undefined ? undefined : this.renderReport(this.report);
  }

  private renderReport(report: ReportView): TemplateResult {
    return html`
      <header>
        <h1>${report.title}</h1>
        <p class="muted">${new Date(report.startedAtMs).toLocaleString()}, took ${formatDuration(report.elapsedMs)}</p>
        <div class="row tools">
          <vscode-button appearance="primary" data-test="copy" @click=${this.copy}>Copy as Markdown</vscode-button>
          ${(['json', 'csv', 'png'] as const).map(
            (format) => html`<vscode-button appearance="secondary" data-test="export-${format}" aria-label="Export as ${format.toUpperCase()}" @click=${() => this.export(format)}>${format.toUpperCase()}</vscode-button>`,
          )}
          <vscode-button appearance="secondary" data-test="history" @click=${() => this.ask('history-show', {})}>Other reports…</vscode-button>
          <vscode-button appearance="secondary" data-test="run" @click=${() => this.ask('benchmark-run', {})}>Run again…</vscode-button>
          <span class="muted" aria-hidden="true">${this.done}</span>
        </div>
      </header>
      ${this.renderAlignment(report)}
      <glm-case-table .report=${report} @baseline=${(event: CustomEvent<number>) => this.chooseBaseline(event.detail)}></glm-case-table>
      ${this.renderNotes(report)} ${this.renderPlots(report)} ${this.renderRules(report)}
      <section aria-labelledby="machine">
        <h2 id="machine">Machine</h2>
        <dl>${report.facts.map((fact) => html`<dt>${fact.label}</dt><dd>${fact.value}</dd>`)}</dl>
      </section>
    `;
  }

  private renderAlignment({ alignmentCosts }: ReportView): TemplateResult | typeof nothing {
    return alignmentCosts === undefined
      ? nothing
      : html`<section aria-labelledby="alignment">
          <h2 id="alignment">What misplaced tensors cost</h2>
          <glm-alignment-costs .costs=${alignmentCosts}></glm-alignment-costs>
        </section>`;
  }

  private renderNotes(report: ReportView): TemplateResult | typeof nothing {
    return report.notes.length === 0
      ? nothing
      : html`<section aria-labelledby="notes">
          <h2 id="notes">In words</h2>
          <ul data-test="notes">${report.notes.map((note) => html`<li>${note}</li>`)}</ul>
        </section>`;
  }

  private renderPlots(report: ReportView): TemplateResult {
    const shown = report.cases[this.caseIndex];
    const trend = report.trends[this.caseIndex];
    return html`<section aria-labelledby="plots">
      <h2 id="plots">Plots</h2>
      <div class="row choices">
        <label>Figure of the runs
          <select data-test="metric" @change=${(event: Event) => (this.metric = (event.target as HTMLSelectElement).value as RunMetric)}>
            ${Object.entries(metricLabels).map(([metric, label]) => html`<option value=${metric} ?selected=${metric === this.metric}>${label}</option>`)}
          </select>
        </label>
        <label>Case of the other plots
          <select data-test="case" @change=${(event: Event) => (this.caseIndex = (event.target as HTMLSelectElement).selectedIndex)}>
            ${report.cases.map((each, index) => html`<option ?selected=${index === this.caseIndex}>${each.name}</option>`)}
          </select>
        </label>
      </div>
      <div class="plots">
        ${this.renderPlot(runsPlot(report.cases, this.metric))} ${shown === undefined || shown.itlMs.length === 0 ? nothing : this.renderPlot(itlPlot(shown))}
        ${trend === undefined
          ? nothing
          : html`<div>
              ${this.renderPlot(trendPlot(trend))}
              ${trend.points.length > 1 ? nothing : html`<p class="muted">One report so far. Each further run of this scenario with this model adds a point.</p>`}
              ${trend.leftOut.map((each) => html`<p class="muted" data-test="left-out">${icon('warning')} ${new Date(each.startedAtMs).toLocaleString()} is left out, not comparable: ${each.reason}.</p>`)}
              ${trend.points.some((point) => point.isUnreliable) ? html`<p class="muted">${icon('warning')} ${trend.points.filter((point) => point.isUnreliable).length} of ${trend.points.length} medians marked unreliable.</p>` : nothing}
            </div>`}
      </div>
    </section>`;
  }

  private renderPlot(spec: ReturnType<typeof runsPlot>): TemplateResult {
    return html`<figure>
      <figcaption>${spec.title}</figcaption>
      <glm-plot .spec=${spec}></glm-plot>
    </figure>`;
  }

  private renderRules(report: ReportView): TemplateResult {
    return html`<section aria-labelledby="rules">
      <h2 id="rules">Rules</h2>
      <p class="muted">Enforced by the measurement, not promised: a run that breaks one is refused.</p>
      ${report.cases.map(
        (each, index) => html`<details data-test="rules" ?open=${index === 0}>
          <summary>${each.name}</summary>
          <dl>${each.rules.map((rule) => html`<dt>${rule.label}</dt><dd>${rule.value}</dd>`)}</dl>
        </details>`,
      )}
    </section>`;
  }

  private take(report: ReportView | undefined): void {
    if (report !== undefined) {
      this.report = report;
      this.caseIndex = 0;
      this.problem = '';
      this.done = '';
      this.dispatchEvent(new CustomEvent('shown', { detail: report.id }));
    }
  }

  private async chooseBaseline(caseIndex: number): Promise<void> {
    const answer = await this.ask('baseline-choose', { caseIndex });
    if (answer !== undefined && this.report !== undefined) {
      this.report = { ...this.report, ...answer };
    }
  }

  private readonly copy = async (): Promise<void> => {
    if ((await this.ask('report-copy', {})) !== undefined) {
      this.done = 'Copied';
    }
  };

  private async export(format: ExportFormat): Promise<void> {
    this.saved(await this.ask('report-export', format === 'png' ? { format, pngBase64: this.picture() } : { format }));
  }

  private picture(): string {
    const style = getComputedStyle(this);
    const plots = [...(this.shadowRoot?.querySelectorAll<Plot>('glm-plot') ?? [])].flatMap((plot) => (plot.canvas === undefined || plot.spec === undefined ? [] : [{ title: plot.spec.title, canvas: plot.canvas }]));
    const read = (name: string, fallback: string): string => style.getPropertyValue(name).trim() || fallback;
    return this.report === undefined
      ? ''
      : drawPicture(this.report, plots, { background: read('--vscode-editor-background', '#fff'), text: style.color, muted: read('--glm-muted', style.color), fontFamily: style.fontFamily });
  }
}
