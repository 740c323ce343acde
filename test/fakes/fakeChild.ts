import { isRpcMessage, RpcServer, type Contract, type RpcHandlers } from '../../src/common/protocol/rpc';
import type { ChildChannel, ChildExit } from '../../src/engine/client/childChannel';

/**
 * A child process that lives in this one: the real RpcServer behind a channel that delivers messages later, as IPC does, and can be killed.
 * It ends by itself when the host disconnects, unless it `ignoresDisconnect`.
 */
export class FakeChild<C extends Contract> implements ChildChannel {
  readonly pid = 4711;
  readonly server: RpcServer<C>;
  /** Signals the host sent. */
  readonly kills: string[] = [];
  ignoresDisconnect = false;
  private readonly messageListeners: ((message: unknown) => void)[] = [];
  private readonly lineListeners: ((line: string) => void)[] = [];
  private readonly exitListeners: ((exit: ChildExit) => void)[] = [];
  private ended = false;

  constructor(handlers: (child: FakeChild<C>) => RpcHandlers<C>) {
    this.server = new RpcServer<C>((message) => this.deliver(structuredClone(message)), handlers(this));
  }

  send(message: unknown): boolean {
    if (this.ended) {
      return false;
    }
    const copy: unknown = structuredClone(message);
    setImmediate(() => {
      if (!this.ended && isRpcMessage(copy)) {
        this.server.receive(copy);
      }
    });
    return true;
  }

  onMessage(listener: (message: unknown) => void): void {
    this.messageListeners.push(listener);
  }

  onLine(listener: (line: string) => void): void {
    this.lineListeners.push(listener);
  }

  onExit(listener: (exit: ChildExit) => void): void {
    this.exitListeners.push(listener);
  }

  disconnect(): void {
    if (!this.ignoresDisconnect) {
      setImmediate(() => this.die({ exitCode: 0 }));
    }
  }

  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.kills.push(signal);
    setImmediate(() => this.die({ signal }));
  }

  /** Writes a line as the child's stderr would. */
  print(line: string): void {
    this.lineListeners.forEach((listener) => listener(line));
  }

  /** The child ends, as by a crash or a kill from outside. */
  die(exit: ChildExit): void {
    if (!this.ended) {
      this.ended = true;
      this.server.abortAll();
      this.exitListeners.forEach((listener) => listener(exit));
    }
  }

  get isEnded(): boolean {
    return this.ended;
  }

  private deliver(message: unknown): void {
    setImmediate(() => {
      if (!this.ended) {
        this.messageListeners.forEach((listener) => listener(message));
      }
    });
  }
}
