/** `<glm-settings>`: system prompt, mode, sampling and length. A change is sent when its field is left and right. */

import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import type { ChatSettings, ModelState } from '../../../src/common/protocol/webview';
import type { GenerationOptions } from '../../../src/common/sampling';
import { baseStyles } from '../../common/baseStyles';
import { labelFields } from '../../common/fieldLabels';
import { initialState } from '../state/chatState';
import { fieldRules, findConflict, formatStopStrings, parseStopStrings, readNumberField, type NumberField } from '../state/settingsValidation';
import { askHost } from '../viewRequest';
import './notice';
import './panel';

type ValueElement = HTMLElement & { value: string };

const samplingFields: readonly NumberField[] = ['temperature', 'topP', 'topK', 'minP'];
const otherFields: readonly NumberField[] = ['repetitionPenalty', 'seed', 'maxNewTokens', 'minNewTokens'];

@customElement('glm-settings')
export class SettingsPanel extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: flex;
        flex-direction: column;
        min-height: 0;
      }
      glm-panel {
        flex: 1;
      }
      .group {
        display: flex;
        flex-direction: column;
        gap: 4px;
        margin-bottom: 12px;
      }
      .grid {
        display: grid;
        grid-template-columns: repeat(auto-fill, minmax(128px, 1fr));
        gap: 10px 12px;
        margin: 10px 0 12px;
      }
      /* Label, field and help share rows with those beside them: a label of two lines pushes no field out of line. */
      .field {
        display: grid;
        grid-row: span 3;
        grid-template-rows: subgrid;
        align-items: start;
        row-gap: 2px;
        min-width: 0;
      }
      .field label {
        align-self: end;
      }
      label,
      .label {
        font-weight: 600;
      }
      vscode-text-field,
      vscode-text-area,
      vscode-dropdown {
        width: 100%;
        min-width: 0;
      }
      .help {
        font-size: 11px;
        color: var(--glm-muted);
      }
      .problem {
        font-size: 11px;
        color: var(--glm-error-text);
      }
      .choices {
        display: flex;
        flex-direction: column;
        gap: 2px;
        margin-top: 10px;
      }
      vscode-divider {
        margin: 4px 0 10px;
      }
    `,
  ];

  @property({ attribute: false }) settings: ChatSettings = initialState.settings;
  @property({ attribute: false }) model: ModelState = { kind: 'none' };
  @property({ attribute: false }) onClose: () => void = () => {};
  @state() private problems: Readonly<Partial<Record<NumberField, string>>> = {};

  override render(): TemplateResult {
    const { settings, model } = this;
    const loaded = model.kind === 'ready' ? model.model : undefined;
    const isBase = loaded !== undefined && !loaded.description.hasChatTemplate;
    const conflict = findConflict(settings.options, loaded?.contextTokens);
    const greedyHint = settings.options.doSample ? nothing : html`<span class="help">Without sampling the likeliest token is taken; these four have no effect.</span>`;
    return html`
      <glm-panel headline="Chat settings" .onClose=${this.onClose}>
        <div class="group">
          <label for="mode">Mode</label>
          <vscode-dropdown id="mode" data-test="mode" aria-label="Mode" .value=${isBase ? 'completion' : settings.mode} ?disabled=${isBase} @change=${this.onMode}>
            <vscode-option value="chat">Chat: questions and answers</vscode-option>
            <vscode-option value="completion">Completion: continue the text</vscode-option>
          </vscode-dropdown>
          ${isBase ? html`<span class="help">This checkpoint has no chat template: it is a base model and can only continue text.</span>` : nothing}
        </div>
        <div class="group">
          <label for="system">System prompt</label>
          <vscode-text-area id="system" data-test="system-prompt" rows="4" resize="vertical" data-label="System prompt" placeholder="None" .value=${settings.systemPrompt} @change=${this.onSystemPrompt}></vscode-text-area>
        </div>
        <vscode-divider></vscode-divider>
        <span class="label">Sampling</span>
        <div class="choices">
          <vscode-checkbox data-test="do-sample" ?checked=${settings.options.doSample} @change=${(event: Event) => this.change({ doSample: (event.target as HTMLInputElement).checked })}>Draw tokens at random</vscode-checkbox>
          ${greedyHint}
        </div>
        <div class="grid">${samplingFields.map((field) => this.renderNumber(field))}</div>
        <vscode-divider></vscode-divider>
        <span class="label">Repetition and length</span>
        <div class="grid">${otherFields.map((field) => this.renderNumber(field))}</div>
        ${conflict === undefined ? nothing : html`<glm-notice kind="warning" role="status" data-test="conflict">${conflict}</glm-notice>`}
        <div class="group choices">
          <vscode-checkbox ?checked=${settings.options.ignoreEos} @change=${(event: Event) => this.change({ ignoreEos: (event.target as HTMLInputElement).checked })}>Run on to max new tokens (ignore EOS)</vscode-checkbox>
        </div>
        <div class="group">
          <label for="stops">Stop strings</label>
          <vscode-text-area
            id="stops"
            data-test="stop-strings"
            rows="3"
            resize="vertical"
            data-label="Stop strings"
            .value=${formatStopStrings(settings.options.stopStrings)}
            @change=${(event: Event) => this.change({ stopStrings: parseStopStrings((event.target as ValueElement).value) })}
          ></vscode-text-area>
          <span class="help">One per line; \\n stands for a line break. An answer ends before the first one it would contain.</span>
        </div>
      </glm-panel>
    `;
  }

  override updated(): void {
    labelFields(this.renderRoot);
  }

  private renderNumber(field: NumberField): TemplateResult {
    const rule = fieldRules[field];
    const problem = this.problems[field];
    const value = this.settings.options[field];
    return html`<div class="field">
      <label for=${field}>${rule.label}</label>
      <vscode-text-field
        id=${field}
        data-test=${field}
        data-label=${rule.label}
        aria-describedby=${`${field}-help`}
        placeholder=${rule.isOptional ? 'random' : ''}
        .value=${value === undefined ? '' : String(value)}
        @change=${(event: Event) => this.onNumber(field, event)}
      ></vscode-text-field>
      <span id=${`${field}-help`} class=${problem === undefined ? 'help' : 'problem'} role=${problem === undefined ? 'note' : 'alert'}>${problem ?? rule.help}</span>
    </div>`;
  }

  private onNumber(field: NumberField, event: Event): void {
    const result = readNumberField(field, (event.target as ValueElement).value);
    if ('problem' in result) {
      this.problems = { ...this.problems, [field]: result.problem };
    } else {
      this.problems = { ...this.problems, [field]: undefined };
      this.change({ [field]: result.value });
    }
  }

  private change(options: Partial<GenerationOptions>): void {
    const edited = Object.fromEntries(Object.entries(options).map(([key, value]) => [key, value ?? null]));
    askHost(this, 'settings-change', { options: edited });
  }

  private readonly onMode = (event: Event): void => {
    const { value } = event.target as ValueElement;
    askHost(this, 'settings-change', { mode: value === 'completion' ? 'completion' : 'chat' });
  };

  private readonly onSystemPrompt = (event: Event): void => {
    askHost(this, 'settings-change', { systemPrompt: (event.target as ValueElement).value });
  };
}
