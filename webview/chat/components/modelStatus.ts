/** `<glm-model-status>`: what stands between the user and a ready model: loading, failed, lost, not responding, or only the demo model. */

import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { formatBytes } from '../../../src/common/byteFormat';
import type { LoadProgress } from '../../../src/common/protocol/engine';
import type { ModelState } from '../../../src/common/protocol/webview';
import { baseStyles } from '../../common/baseStyles';
import { formatContext, formatDuration, formatUsedOfTotal } from '../../common/numberFormat';
import { askHost } from '../viewRequest';
import './errorNotice';
import './notice';
import './progressBar';

const phases: Readonly<Record<LoadProgress['phase'], string>> = {
  reading: 'Reading checkpoint',
  packing: 'Packing weights (once)',
  calibrating: 'Measuring keys and values (once)',
  loading: 'Loading weights',
  'warming-up': 'Warming up',
};

@customElement('glm-model-status')
export class ModelStatus extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
      }
      .loading {
        display: flex;
        flex-direction: column;
        gap: 5px;
        padding: 8px 9px;
        border: 1px solid var(--vscode-panel-border, var(--vscode-widget-border, transparent));
        border-radius: 6px;
        background: var(--vscode-editorWidget-background);
      }
      .line {
        display: flex;
        align-items: center;
        gap: 8px;
      }
      .phase {
        flex: 1;
        font-weight: 600;
        min-width: 0;
      }
      vscode-progress-ring {
        width: 16px;
        height: 16px;
        flex: none;
      }
      .small {
        font-size: 11px;
      }
    `,
  ];

  @property({ attribute: false }) model: ModelState = { kind: 'none' };

  override render(): TemplateResult | typeof nothing {
    const { model } = this;
    switch (model.kind) {
      case 'none':
        return nothing;
      case 'loading':
        return this.renderLoading(model.progress, model.plan);
      case 'failed':
        return html`<glm-error-notice data-test="load-failed" headline=${`${model.name} was not loaded`} .error=${model.error}>
          ${this.action('Try again', () => askHost(this, 'model-reload', {}))} ${this.action('Choose another model', () => askHost(this, 'model-choose', {}))}
        </glm-error-notice>`;
      case 'lost':
        return model.restarting
          ? html`<div class="loading" role="status"><div class="line"><vscode-progress-ring aria-hidden="true"></vscode-progress-ring><span class="phase">The engine stopped; starting it again …</span></div></div>`
          : html`<glm-error-notice data-test="engine-lost" headline="The engine has stopped; the conversation is kept" .error=${model.error}>
              ${this.action('Restart engine', () => askHost(this, 'model-reload', {}), 'primary')}
            </glm-error-notice>`;
      case 'ready':
        return model.notRespondingForMs === undefined
          ? nothing
          : html`<glm-notice kind="warning" role="status" data-test="not-responding" ?hasActions=${true}>
              The engine has not responded for more than ${formatDuration(model.notRespondingForMs)}. It may be busy with a long step; nothing was ended.
              <vscode-button slot="actions" appearance="secondary" @click=${() => askHost(this, 'model-reload', {})}>Restart engine</vscode-button>
            </glm-notice>`;
      default:
        return model satisfies never;
    }
  }

  private action(label: string, run: () => void, appearance = 'secondary'): TemplateResult {
    return html`<vscode-button slot="actions" appearance=${appearance} @click=${run}>${label}</vscode-button>`;
  }

  private renderLoading(progress: LoadProgress | undefined, plan: Extract<ModelState, { kind: 'loading' }>['plan']): TemplateResult {
    const phase = progress === undefined ? 'Starting the engine' : phases[progress.phase];
    const where = progress?.device === undefined ? '' : ` on ${progress.device}`;
    const neededBytes = plan?.stages.reduce((sum, stage) => sum + stage.weightBytes + stage.kvBytes + stage.activationBytes, 0);
    return html`
      <div class="loading" data-test="load-progress">
        <div class="line">
          <vscode-progress-ring aria-hidden="true"></vscode-progress-ring>
          <span class="phase" role="status">${phase}${where}</span>
          <vscode-button appearance="secondary" @click=${() => askHost(this, 'model-load-cancel', {})}>Cancel</vscode-button>
        </div>
        ${progress === undefined || progress.totalBytes <= 0
          ? nothing
          : html`<glm-progress-bar .fraction=${progress.doneBytes / progress.totalBytes} label=${phase}></glm-progress-bar>
              <div class="line small numbers muted">
                <span>${formatUsedOfTotal(progress.doneBytes, progress.totalBytes, formatBytes)}</span>
                <span>${progress.remainingMs === undefined ? '' : `about ${formatDuration(Math.max(1000, Math.round(progress.remainingMs / 1000) * 1000))} left`}</span>
              </div>`}
        ${plan === undefined
          ? nothing
          : html`<div class="small muted">
                Estimate: ${formatBytes(neededBytes)} for weights, ${formatContext(plan.contextTokens)} of context and activations
                (${plan.stages.map((stage) => `${stage.device}: layers ${stage.firstLayer}–${stage.endLayer - 1}`).join(', ')})
              </div>
              ${plan.warnings.map((warning) => html`<div class="small">⚠ ${warning.message}</div>`)}`}
      </div>
    `;
  }
}
