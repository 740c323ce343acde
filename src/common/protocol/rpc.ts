/**
 * Typed requests, replies and events over any two-way channel: IPC with a child process, or postMessage with a webview.
 *
 * A contract is a type with `requests` (name → params and result) and `events` (name → payload); see engine.ts, monitor.ts and webview.ts.
 * This file owns ids, matching of replies, and errors as data. It knows no transport.
 */

import { CancelledError, deserializeError, GlmError, serializeError, type SerializedError } from '../errors';

export interface RequestShape {
  readonly params: unknown;
  readonly result: unknown;
}

export interface Contract {
  readonly requests: Record<string, RequestShape>;
  /** Events sent by the side that serves the requests. */
  readonly events: Record<string, unknown>;
}

export type RpcMessage =
  | { readonly kind: 'request'; readonly id: number; readonly method: string; readonly params: unknown }
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'reply'; readonly id: number; readonly result?: unknown; readonly error?: SerializedError }
  | { readonly kind: 'event'; readonly name: string; readonly payload: unknown };

/** True for a value of the wire form; anything else from the other side is ignored. */
export function isRpcMessage(value: unknown): value is RpcMessage {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  const message = value as { kind?: unknown; id?: unknown; method?: unknown; name?: unknown };
  switch (message.kind) {
    case 'request':
      return typeof message.id === 'number' && typeof message.method === 'string';
    case 'cancel':
    case 'reply':
      return typeof message.id === 'number';
    case 'event':
      return typeof message.name === 'string';
    default:
      return false;
  }
}

type Pending = { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void; readonly dispose: () => void };

/** The asking side. */
export class RpcClient<C extends Contract> {
  private nextId = 1;
  private closedBy: GlmError | undefined;
  private readonly pending = new Map<number, Pending>();
  private readonly listeners = new Map<string, Set<(payload: never) => void>>();

  constructor(private readonly send: (message: RpcMessage) => void) {}

  /**
   * Sends a request and settles with its reply.
   * When `signal` aborts, a cancel message goes out and the promise settles with the server's reply to that; it does not reject on its own.
   *
   * @throws {GlmError} the server's error, or the error given to {@link close}.
   */
  request<M extends keyof C['requests'] & string>(
    method: M,
    params: C['requests'][M]['params'],
    signal?: AbortSignal,
  ): Promise<C['requests'][M]['result']> {
    if (this.closedBy !== undefined) {
      return Promise.reject(this.closedBy);
    }
    if (signal?.aborted) {
      return Promise.reject(new CancelledError(method));
    }
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        if (this.closedBy === undefined) {
          this.send({ kind: 'cancel', id });
        }
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.pending.set(id, { resolve, reject, dispose: () => signal?.removeEventListener('abort', onAbort) });
      this.send({ kind: 'request', id, method, params });
    });
  }

  /** Listens to an event; the returned function ends it. */
  on<E extends keyof C['events'] & string>(name: E, listener: (payload: C['events'][E]) => void): () => void {
    const set = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, set);
    set.add(listener as (payload: never) => void);
    return () => set.delete(listener as (payload: never) => void);
  }

  /** Feeds a message that arrived from the other side. */
  receive(message: RpcMessage): void {
    if (message.kind === 'event') {
      for (const listener of [...(this.listeners.get(message.name) ?? [])]) {
        listener(message.payload as never);
      }
    } else if (message.kind === 'reply') {
      const pending = this.pending.get(message.id);
      this.pending.delete(message.id);
      pending?.dispose();
      if (message.error !== undefined) {
        pending?.reject(deserializeError(message.error));
      } else {
        pending?.resolve(message.result);
      }
    }
  }

  /** Rejects everything under way, and every later request, with `reason`. Closing twice keeps the first reason. */
  close(reason: GlmError): void {
    this.closedBy ??= reason;
    const pending = [...this.pending.values()];
    this.pending.clear();
    for (const entry of pending) {
      entry.dispose();
      entry.reject(this.closedBy);
    }
  }
}

export type RpcHandlers<C extends Contract> = {
  readonly [M in keyof C['requests'] & string]: (
    params: C['requests'][M]['params'],
    signal: AbortSignal,
  ) => Promise<C['requests'][M]['result']> | C['requests'][M]['result'];
};

/** The answering side. */
export class RpcServer<C extends Contract> {
  private readonly running = new Map<number, AbortController>();

  constructor(
    private readonly send: (message: RpcMessage) => void,
    private readonly handlers: RpcHandlers<C>,
  ) {}

  emit<E extends keyof C['events'] & string>(name: E, payload: C['events'][E]): void {
    this.send({ kind: 'event', name, payload });
  }

  /** Feeds a message that arrived from the other side. Never throws; failures go back as replies. */
  receive(message: RpcMessage): void {
    if (message.kind === 'cancel') {
      this.running.get(message.id)?.abort();
    } else if (message.kind === 'request') {
      void this.serve(message.id, message.method, message.params);
    }
  }

  /** Aborts everything under way, such as when the asking side has gone. */
  abortAll(): void {
    for (const controller of this.running.values()) {
      controller.abort();
    }
  }

  private async serve(id: number, method: string, params: unknown): Promise<void> {
    const controller = new AbortController();
    this.running.set(id, controller);
    try {
      const handler = Object.hasOwn(this.handlers, method)
        ? (this.handlers as Record<string, (params: unknown, signal: AbortSignal) => unknown>)[method]
        : undefined;
      if (handler === undefined) {
        throw new GlmError('unknown-request', `The other side does not know the request "${method}". The two come from different versions; reload the window.`);
      }
      const result = await handler(params, controller.signal);
      this.send({ kind: 'reply', id, result });
    } catch (error) {
      this.send({ kind: 'reply', id, error: serializeError(error) });
    } finally {
      this.running.delete(id);
    }
  }
}
