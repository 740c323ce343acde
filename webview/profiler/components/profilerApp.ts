/** `<glm-profiler>`: timeline, phases, placement, operators and memory forecast of what the extension records, or of a saved profile. */

import { css, html, nothing, type TemplateResult } from 'lit';
import { customElement, query, state } from 'lit/decorators.js';
import { keyed } from 'lit/directives/keyed.js';
import type { ProfileSummary } from '../../../src/common/profileSummary';
import type { ProfilerState, ProfilerViewContract } from '../../../src/common/protocol/profilerView';
import { ProfileRecorder } from '../../../src/profiling/profileRecorder';
import { baseStyles } from '../../common/baseStyles';
import { formatDuration } from '../../common/numberFormat';
import { PanelApp } from '../../common/panelApp';
import { panelStyles } from '../../common/panelStyles';
import type { SpeedPoint, TimelineData } from '../timeline/tracks';
import './forecast';
import './operators';
import './phases';
import './placement';
import './timeline';
import type { Timeline } from './timeline';

const mostSpeeds = 1200;

@customElement('glm-profiler')
export class ProfilerApp extends PanelApp<ProfilerViewContract> {
  static override styles = [
    ...baseStyles,
    panelStyles,
    css`
      .empty {
        padding: 10px 12px;
        border: 1px solid var(--vscode-contrastBorder, var(--vscode-editorWidget-border, rgba(128, 128, 128, 0.35)));
        border-radius: 4px;
        max-width: 80ch;
      }
      .empty .row {
        margin-top: 8px;
      }
    `,
  ];

  @state() private shown: ProfilerState | undefined;
  @state() private timeline: TimelineData | undefined;
  @query('glm-timeline') private timelineView: Timeline | undefined;

  protected readonly openingLabel = 'Opening the profiler';
  private recorder = new ProfileRecorder();
  private speeds: readonly SpeedPoint[] = [];
  /** Grows when another profile is shown: what was chosen, moved or paused in the one before says nothing about it. */
  private profileNumber = 0;
  private stopListening: readonly (() => void)[] = [];

  override connectedCallback(): void {
    super.connectedCallback();
    const { host } = this;
    if (host !== undefined) {
      this.stopListening = [
        host.on('state', (next) => this.take(next)),
        host.on('model', (model) => this.change({ model })),
        host.on('working', ({ text }) => this.change({ working: text })),
        host.on('telemetry-sample', (sample) => this.record(() => this.recorder.addSample(sample))),
        host.on('engine-memory', ({ timeMs, devices }) => this.record(() => this.recorder.addEngineMemory(timeMs, devices))),
        host.on('speed', (point) => this.record(() => (this.speeds = [...this.speeds, point].slice(-mostSpeeds)))),
        host.on('generation', (generation) => this.addGeneration(generation)),
      ];
    }
    void this.ask('view-ready', {}).then((next) => this.take(next));
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.stopListening.forEach((stop) => stop());
  }

  protected renderContent(): TemplateResult | undefined {
    return this.shown === undefined ? undefined : this.renderProfile(this.shown);
  }

  private renderProfile(shown: ProfilerState): TemplateResult {
    const { profile, source, model, working } = shown;
    const isLive = source.kind === 'live';
    return html`
      <header>
        <h1>${isLive ? 'Profiler' : source.name}</h1>
        <p class="muted" data-test="subject">
          ${isLive ? describeModel(model) : `${profile.model === undefined ? 'No model' : `${profile.model.description.name}, ${profile.model.weights}`}, recorded ${new Date(profile.startedAtMs).toLocaleString()}`}
        </p>
        <div class="row tools">
          ${isLive
            ? html`<vscode-button appearance="primary" data-test="measure" ?disabled=${working !== undefined || model.state === 'loading'} @click=${() => this.ask('generation-profile', {})}>Profile a generation</vscode-button>`
            : html`<vscode-button appearance="primary" data-test="live" @click=${this.showLive}>Back to live</vscode-button>`}
          <vscode-button appearance="secondary" data-test="export-json" @click=${() => this.export('json')}>Save profile</vscode-button>
          <vscode-button appearance="secondary" data-test="export-trace" title="For chrome://tracing and ui.perfetto.dev" @click=${() => this.export('trace')}>Save trace</vscode-button>
          <vscode-button appearance="secondary" data-test="open" @click=${() => this.ask('profile-open', {})}>Open…</vscode-button>
          <span class="muted" aria-hidden="true">${this.done}</span>
        </div>
        ${working === undefined ? nothing : html`<p role="status" data-test="working">${working}</p>`}
      </header>
      ${keyed(this.profileNumber, this.renderParts(shown))}
    `;
  }

  private renderParts(shown: ProfilerState): TemplateResult {
    const { profile, source } = shown;
    const isLive = source.kind === 'live';
    const last = profile.generations.at(-1);
    return html`
      ${isLive ? this.renderNextStep(shown) : nothing}
      ${profile.hints.length === 0 ? nothing : html`<section aria-labelledby="hints"><h2 id="hints">What it suggests</h2><ul data-test="hints">${profile.hints.map((hint) => html`<li>${hint.text}</li>`)}</ul></section>`}
      <section aria-labelledby="timeline"><h2 id="timeline">Timeline</h2><glm-timeline .data=${this.timeline} ?live=${isLive}></glm-timeline></section>
      ${last === undefined ? nothing : html`<section aria-labelledby="phases"><h2 id="phases">Last generation</h2><glm-phases .generation=${last} ?queued=${profile.model?.stages.some(({ provider }) => provider !== 'cpu') ?? true}></glm-phases></section>`}
      ${profile.operators.length === 0 ? nothing : html`<section aria-labelledby="operators"><h2 id="operators">Hot operators</h2><glm-operators .operators=${profile.operators}></glm-operators></section>`}
      ${profile.placement === undefined ? nothing : html`<section aria-labelledby="placement"><h2 id="placement">Placement</h2><glm-placement .placement=${profile.placement} .operators=${profile.operators}></glm-placement></section>`}
      ${profile.forecast === undefined ? nothing : html`<section aria-labelledby="forecast"><h2 id="forecast">Memory forecast</h2><glm-forecast .basis=${profile.forecast}></glm-forecast></section>`}
      ${this.renderCost(profile)}
    `;
  }

  /** What to do next, as long as there is something missing. */
  private renderNextStep({ model, profile }: ProfilerState): TemplateResult | typeof nothing {
    const box = (text: string, ...buttons: readonly (readonly [string, string, () => void])[]): TemplateResult =>
      html`<div class="empty" data-test="empty">${text}
        <div class="row">${buttons.map(([label, testId, action]) => html`<vscode-button appearance="secondary" data-test=${testId} @click=${action}>${label}</vscode-button>`)}</div>
      </div>`;
    if (model.state === 'none') {
      return box('No model is loaded: the timeline shows the devices alone. Load one to see what it does with them.', ['Load model', 'load', () => void this.ask('model-load', {})]);
    }
    return profile.generations.length > 0 || model.state === 'loading' ? nothing : box('No answer was recorded yet. Ask something in the chat while this panel is open, or profile a generation.', ['Open chat', 'chat', () => void this.ask('chat-show', {})]);
  }

  private renderCost({ cost, environment }: ProfileSummary): TemplateResult {
    const { plainTpotMs, profiledTpotMs, telemetryCorePercent } = cost ?? {};
    const parts = [
      ...(plainTpotMs === undefined || profiledTpotMs === undefined ? [] : [`a token took ${formatDuration(plainTpotMs)} without and ${formatDuration(profiledTpotMs)} with its phases timed`]),
      ...(telemetryCorePercent === undefined ? [] : [`the readings took ${telemetryCorePercent.toFixed(2)} % of a core`]),
    ];
    return html`<section aria-labelledby="about">
      <h2 id="about">About this profile</h2>
      <p data-test="cost">${parts.length === 0 ? 'What recording costs is measured with "Profile a generation". While this panel is closed nothing is recorded.' : `What recording cost: ${parts.join('; ')}.`}</p>
      <dl>${Object.entries(environment).map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>
    </section>`;
  }

  private take(next: ProfilerState | undefined): void {
    if (next === undefined) {
      return;
    }
    if (next.source.kind === 'saved' || this.shown?.source.kind === 'saved') {
      this.profileNumber += 1;
      this.speeds = [];
    }
    this.shown = next;
    this.done = '';
    this.recorder = new ProfileRecorder(next.source.kind === 'live' ? undefined : { keptMs: Infinity, mostSamples: Infinity, mostGenerations: Infinity });
    const { telemetry, engineMemory, generations } = next.profile;
    if (next.source.kind === 'saved') {
      this.timeline = { telemetry, engineMemory, generations, speeds: [] };
      return;
    }
    engineMemory.forEach(({ timeMs, devices }) => this.recorder.addEngineMemory(timeMs, devices));
    telemetry.forEach((sample) => this.recorder.addSample(sample));
    generations.forEach((generation) => this.recorder.addGeneration(generation));
    this.timeline = { ...this.recorder.snapshot(), speeds: this.speeds };
  }

  private change(changes: Partial<ProfilerState>): void {
    if (this.shown !== undefined) {
      this.shown = { ...this.shown, ...changes };
    }
  }

  private record(add: () => void): void {
    if (this.shown?.source.kind === 'live') {
      add();
      this.timeline = { ...this.recorder.snapshot(), speeds: this.speeds };
    }
  }

  private addGeneration({ generation, hints }: ProfilerViewContract['events']['generation']): void {
    this.record(() => this.recorder.addGeneration(generation));
    if (this.shown?.source.kind === 'live') {
      this.change({ profile: { ...this.shown.profile, generations: [...this.shown.profile.generations, generation], hints } });
    }
  }

  private readonly showLive = async (): Promise<void> => this.take(await this.ask('live-show', {}));

  private async export(format: 'json' | 'trace'): Promise<void> {
    this.saved(await this.ask('profile-export', { format }));
  }

  /** For measurements. */
  get timelineElement(): Timeline | undefined {
    return this.timelineView;
  }
}

function describeModel({ state: modelState, name = 'The model' }: ProfilerState['model']): string {
  return { none: 'No model is loaded.', loading: `${name} is being loaded.`, ready: `${name}, live: the last ten minutes.` }[modelState];
}
