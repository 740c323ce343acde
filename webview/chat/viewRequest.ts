/** How a component asks for something: an event that climbs to the application, which sends it to the host. */

import type { ChatViewContract } from '../../src/common/protocol/webview';

type Requests = ChatViewContract['requests'];

/** One request with its parameters. */
export type ViewRequest = { readonly [Method in keyof Requests]: { readonly method: Method; readonly params: Requests[Method]['params'] } }[keyof Requests];

export const viewRequestEvent = 'glm-view-request';

declare global {
  interface HTMLElementEventMap {
    [viewRequestEvent]: CustomEvent<ViewRequest>;
  }
}

export function askHost<Method extends keyof Requests>(from: EventTarget, method: Method, params: Requests[Method]['params']): void {
  from.dispatchEvent(new CustomEvent(viewRequestEvent, { detail: { method, params }, bubbles: true, composed: true }));
}
