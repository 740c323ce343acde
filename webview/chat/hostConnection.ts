/** The way to the extension host: typed requests and events over postMessage. */

import { RpcClient, isRpcMessage, type RpcMessage } from '../../src/common/protocol/rpc';
import type { ChatViewContract } from '../../src/common/protocol/webview';
import type { HostEvent } from './state/chatState';
import type { StateKeeper } from './state/viewMemory';

/** What the editor gives a webview, once. */
export interface WebviewApi extends StateKeeper {
  postMessage(message: unknown): void;
}

export type HostConnection = Pick<RpcClient<ChatViewContract>, 'request' | 'on'>;

const eventNames: Readonly<Record<HostEvent['name'], true>> = {
  'model-state': true,
  devices: true,
  'telemetry-sample': true,
  'engine-memory': true,
  conversation: true,
  'answer-delta': true,
  'generation-state': true,
  'turn-finished': true,
  settings: true,
  'alignment-messages': true,
  'context-used': true,
  attachments: true,
  choices: true,
  'composer-focus': true,
};

/**
 * Connects to the host through `api`, listening on `messages`.
 *
 * @param onEvent  Receives every event, in order.
 */
export function connectToHost(api: Pick<WebviewApi, 'postMessage'>, messages: Pick<Window, 'addEventListener'>, onEvent: (event: HostEvent) => void): HostConnection {
  const client = new RpcClient<ChatViewContract>((message: RpcMessage) => api.postMessage(message));
  for (const name of Object.keys(eventNames) as HostEvent['name'][]) {
    client.on(name, (payload) => onEvent({ name, payload } as HostEvent));
  }
  messages.addEventListener('message', (event: MessageEvent<unknown>) => {
    if (isRpcMessage(event.data)) {
      client.receive(event.data);
    }
  });
  return client;
}
