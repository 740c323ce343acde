/** What the page of every view has in common: it fills its frame, carries the icon font, and holds one element. */

import { isRpcMessage, RpcClient, type Contract, type RpcMessage } from '../../src/common/protocol/rpc';
import { installIconFont } from './codicons';

/** To be called before the first element is made. */
export function preparePage(): void {
  const page = new CSSStyleSheet();
  page.replaceSync('html, body { height: 100%; margin: 0; padding: 0; } body { overflow: hidden; }');
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, page];
  installIconFont(document);
}

/** Requests and events over what the editor gives a webview. */
export function connectPanel<C extends Contract>(api: { postMessage(message: unknown): void }): RpcClient<C> {
  const client = new RpcClient<C>((message: RpcMessage) => api.postMessage(message));
  window.addEventListener('message', (event: MessageEvent<unknown>) => {
    if (isRpcMessage(event.data)) {
      client.receive(event.data);
    }
  });
  return client;
}

/** Puts the view's element into the page. */
export function showApp(app: HTMLElement): void {
  (document.getElementById('root') ?? document.body).replaceChildren(app);
}
