/** What every panel in the editor does: ask the host, show what went wrong, say what was done, and wait for its first state. */

import { html, LitElement, nothing, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import type { Contract, RpcClient } from '../../src/common/protocol/rpc';
import { icon } from './codicons';

export abstract class PanelApp<C extends Contract> extends LitElement {
  @property({ attribute: false }) host: Pick<RpcClient<C>, 'request' | 'on'> | undefined;
  @state() protected problem = '';
  /** What was copied or saved, until the next state. */
  @state() protected done = '';

  /** Read aloud until there is something to show. */
  protected abstract readonly openingLabel: string;
  /** Undefined before the host's first answer. */
  protected abstract renderContent(): TemplateResult | undefined;

  override render(): TemplateResult {
    return html`<main>
      ${this.problem === '' ? nothing : html`<p class="problem" role="alert" data-test="problem">${icon('error')} ${this.problem}</p>`}
      <p class="visually-hidden" role="status" data-test="done">${this.done}</p>
      ${this.renderContent() ?? html`<vscode-progress-ring aria-label=${this.openingLabel}></vscode-progress-ring>`}
    </main>`;
  }

  /** Undefined after a failure, which is shown. */
  protected async ask<M extends keyof C['requests'] & string>(method: M, params: C['requests'][M]['params']): Promise<C['requests'][M]['result'] | undefined> {
    try {
      this.problem = '';
      return await this.host?.request(method, params);
    } catch (error) {
      this.problem = error instanceof Error ? error.message : String(error);
      return undefined;
    }
  }

  /** @param answer  Names no file where the user chose none. */
  protected saved(answer: { readonly fileName?: string } | undefined): void {
    if (answer?.fileName !== undefined) {
      this.done = `Saved ${answer.fileName}`;
    }
  }
}
