/** `<glm-context-notice>`: tells that the context is nearly full before it cuts an answer, and that it has cut one. */

import { html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { contextSteps } from '../../../src/common/contextSteps';
import type { ConversationTurn, GenerationState } from '../../../src/common/protocol/webview';
import { baseStyles } from '../../common/baseStyles';
import { nextStepButtons } from './nextSteps';
import './notice';

/** With more room left than this most answers end by themselves; the live figures name it all the same. */
const scarceTokens = 512;

@customElement('glm-context-notice')
export class ContextNotice extends LitElement {
  static override styles = [...baseStyles];

  /** Set while the answer is under way and the context cannot hold all that it may generate. */
  @property({ attribute: false }) limit: GenerationState['contextLimit'];
  /** Of the answer under way. */
  @property({ type: Number }) generatedTokens = 0;
  /** Set when the answer has ended. */
  @property({ attribute: false }) figures: ConversationTurn['figures'];

  override render(): TemplateResult | typeof nothing {
    const { limit, figures } = this;
    if (limit !== undefined && limit.roomTokens < scarceTokens) {
      return this.renderNotice(
        'info',
        `The context is nearly full: ${count(limit.promptTokens)} of ${count(limit.contextTokens)} tokens are in use. The answer ends after ${count(limit.roomTokens)} more at the latest.`,
      );
    }
    if (limit !== undefined && limit.roomTokens - this.generatedTokens < scarceTokens) {
      // No figure that moves with every token: it would be read out each time.
      return this.renderNotice('info', `The context of ${count(limit.contextTokens)} tokens is nearly full: this answer ends after ${count(limit.roomTokens)} tokens at the latest.`);
    }
    if (figures?.stopReason === 'context') {
      return this.renderNotice('warning', `The answer was cut: its ${count(figures.generatedTokens)} tokens and the ${count(figures.promptTokens)} before them fill the context.`);
    }
    return nothing;
  }

  private renderNotice(kind: 'info' | 'warning', text: string): TemplateResult {
    return html`<glm-notice kind=${kind} hasActions role="status" data-test="context-notice">${text}<span slot="actions">${nextStepButtons(this, contextSteps)}</span></glm-notice>`;
  }
}

function count(tokens: number): string {
  return tokens.toLocaleString('en-US');
}
