/** `<glm-chat-header>`: model, devices, speed and context, and whatever needs attention. */

import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import type { LoadedModel } from '../../../src/common/protocol/engine';
import { baseStyles } from '../../common/baseStyles';
import { iconButton } from '../../common/iconButton';
import { formatContext } from '../../common/numberFormat';
import { initialState, type ChatState } from '../state/chatState';
import { describeDevices, type DeviceView } from '../state/deviceMemory';
import type { PanelName } from '../state/viewMemory';
import { askHost } from '../viewRequest';
import './alignmentNotices';
import './deviceRow';
import './modelMenu';
import './modelStatus';
import './speedLine';

@customElement('glm-chat-header')
export class ChatHeader extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: flex;
        flex-direction: column;
        gap: 4px;
        padding: 6px 12px 8px;
        border-bottom: 1px solid var(--vscode-sideBarSectionHeader-border, var(--vscode-panel-border, var(--vscode-contrastBorder, transparent)));
      }
      .title {
        display: flex;
        align-items: center;
        gap: 2px;
      }
      glm-model-menu {
        flex: 1;
      }
      .facts {
        display: flex;
        flex-wrap: wrap;
        gap: 0 8px;
        align-items: center;
        font-size: 12px;
      }
      .notices {
        display: flex;
        flex-direction: column;
        gap: 6px;
      }
      .devices {
        max-height: 40vh;
        overflow-y: auto;
      }
    `,
  ];

  @property({ attribute: false }) chat: ChatState = initialState;
  @property({ attribute: false }) openDevices: readonly string[] = [];
  @property() panel: PanelName | undefined;
  @property({ attribute: false }) onPanel: (panel: PanelName) => void = () => {};
  @property({ attribute: false }) onOpenDevices: (ids: readonly string[]) => void = () => {};

  private devices: readonly DeviceView[] = [];

  override willUpdate(changed: PropertyValues<this>): void {
    const before = changed.get('chat');
    const { devices, recentSamples, engineMemory, model } = this.chat;
    if (before === undefined || before.devices !== devices || before.recentSamples !== recentSamples || before.engineMemory !== engineMemory || before.model !== model) {
      this.devices = changed.has('chat') || !this.hasUpdated ? describeDevices(devices, recentSamples.at(-1), engineMemory, model) : this.devices;
    }
  }

  override render(): TemplateResult {
    const { chat, devices } = this;
    const loaded = chat.model.kind === 'ready' ? chat.model.model : undefined;
    return html`
      <div class="title">
        <glm-model-menu .model=${chat.model} .choices=${chat.choices} ?isConnecting=${chat.connection === 'connecting'}></glm-model-menu>
        ${iconButton('add', 'New chat', () => askHost(this, 'conversation-new', {}), { testId: 'new-chat' })}
        ${iconButton('history', 'Chat history', () => this.onPanel('history'), { pressed: this.panel === 'history', testId: 'history-button' })}
      </div>
      ${loaded === undefined ? nothing : this.renderFacts(loaded)}
      ${devices.length === 0
        ? nothing
        : html`<div class="devices" role="group" aria-label="Devices">
            ${devices.map(
              (device) => html`<glm-device-row .device=${device} ?isOpen=${this.openDevices.includes(device.id)} @glm-toggle=${() => this.onOpenDevices(toggled(this.openDevices, device.id))}></glm-device-row>`,
            )}
          </div>`}
      ${loaded === undefined ? nothing : this.renderSpeed(loaded)}
      <div class="notices">
        <glm-model-status .model=${chat.model}></glm-model-status>
        ${chat.alignmentMessages.length === 0 ? nothing : html`<glm-alignment-notices .messages=${chat.alignmentMessages}></glm-alignment-notices>`}
      </div>
    `;
  }

  private renderFacts(loaded: LoadedModel): TemplateResult {
    return html`<div class="facts muted">
      <span data-test="model-facts">${describePlacement(loaded)}</span>
      ${loaded.description.isDemo ? html`<button class="link" data-test="choose-real-model" @click=${() => askHost(this, 'model-choose', {})}>Choose a real model</button>` : nothing}
    </div>`;
  }

  private renderSpeed(loaded: LoadedModel): TemplateResult {
    const { chat } = this;
    const figures = [...chat.conversation.turns].reverse().find((turn) => turn.figures !== undefined)?.figures;
    return html`<glm-speed-line
      ?hasAnswer=${figures !== undefined || chat.live !== undefined}
      .tokensPerSecond=${chat.live === undefined ? figures?.decodeTokensPerSecond : chat.live.tokensPerSecond}
      .ttftMs=${figures?.ttftMs}
      .speeds=${chat.speeds}
      .contextUsedTokens=${chat.contextUsedTokens ?? (chat.conversation.turns.length === 0 ? 0 : undefined)}
      .contextTokens=${loaded.contextTokens}
    ></glm-speed-line>`;
  }
}

/** `2 GPUs · bf16 · 32k` */
export function describePlacement(loaded: LoadedModel): string {
  const devices = [...new Set(loaded.plan.stages.map((stage) => stage.device))];
  const numGpus = devices.filter((device) => device !== 'cpu').length;
  const parts = [numGpus === 0 ? '' : numGpus === 1 ? (devices.find((device) => device !== 'cpu') ?? '') : `${numGpus} GPUs`, devices.some((device) => device === 'cpu') ? 'CPU' : ''];
  return [parts.filter((part) => part !== '').join(' + '), loaded.weights, formatContext(loaded.contextTokens)].join(' · ');
}

function toggled(ids: readonly string[], id: string): readonly string[] {
  return ids.includes(id) ? ids.filter((entry) => entry !== id) : [...ids, id];
}
