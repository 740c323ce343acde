/**
 * One child process and the typed requests to it: watches for its end and its silence, and rejects what is under way when it is lost.
 * Serves engine and monitor alike; see startEngine.ts and startMonitor.ts.
 */

import { GlmError } from '../../common/errors';
import type { Log, LogRecord } from '../../common/log';
import { isRpcMessage, RpcClient, type Contract } from '../../common/protocol/rpc';
import type { ChildChannel, ChildExit } from './childChannel';
import type { Clock } from './clock';
import { EngineLostError } from './engineLostError';

export interface ChildLinkOptions {
  readonly what: 'engine' | 'monitor';
  readonly clock: Clock;
  readonly log: Log;
  /** The oom_kill count of this memory group; see memoryKillCount.ts. */
  readonly readMemoryKills: () => number | undefined;
  /** Silence after which {@link ChildLink.responsive} turns false; undefined: the child sends no heartbeat. */
  readonly silenceLimitMs?: number;
}

/** How often silence is judged. Counted in ticks, so that a host that was asleep does not blame the child. */
const tickMs = 500;
const keptLines = 40;

export class ChildLink<C extends Contract> {
  private readonly rpc: RpcClient<C>;
  private readonly lines: string[] = [];
  private readonly lostListeners = new Set<(error: EngineLostError) => void>();
  private readonly responsiveListeners = new Set<(responsive: boolean) => void>();
  private readonly killsAtStart: number | undefined;
  private silentTicks = 0;
  private stopTicks: () => void = () => undefined;
  private ending = false;
  private isResponsive = true;
  private exit: ChildExit | undefined;
  private reported: string | undefined;
  private readonly exited: Promise<ChildExit>;

  constructor(
    private readonly channel: ChildChannel,
    private readonly options: ChildLinkOptions,
  ) {
    this.killsAtStart = options.readMemoryKills();
    this.rpc = new RpcClient<C>((message) => void channel.send(message));
    let resolveExited: (exit: ChildExit) => void = () => undefined;
    this.exited = new Promise((resolve) => (resolveExited = resolve));
    channel.onMessage((message) => {
      this.silentTicks = 0;
      this.setResponsive(true);
      if (isRpcMessage(message)) {
        this.rpc.receive(message);
      }
    });
    channel.onLine((line) => {
      this.keepLine(line);
      options.log.log('debug', options.what, line);
    });
    channel.onExit((exit) => {
      this.onExit(exit);
      resolveExited(exit);
    });
    if (options.silenceLimitMs !== undefined) {
      this.tick(options.silenceLimitMs);
    }
  }

  get pid(): number | undefined {
    return this.channel.pid;
  }

  /** False once the child has ended, for whatever reason. */
  get alive(): boolean {
    return this.exit === undefined;
  }

  /** False while the child has been silent for longer than it should; it may still come back. */
  get responsive(): boolean {
    return this.isResponsive;
  }

  /** The child's last lines of output and log, oldest first. */
  get lastLines(): readonly string[] {
    return this.lines;
  }

  /** @see RpcClient.request; rejects with {@link EngineLostError} when the child is lost. */
  request<M extends keyof C['requests'] & string>(method: M, params: C['requests'][M]['params'], signal?: AbortSignal): Promise<C['requests'][M]['result']> {
    return this.rpc.request(method, params, signal);
  }

  on<E extends keyof C['events'] & string>(name: E, listener: (payload: C['events'][E]) => void): () => void {
    return this.rpc.on(name, listener);
  }

  /** Called once when the child ends without {@link end}. */
  onLost(listener: (error: EngineLostError) => void): () => void {
    this.lostListeners.add(listener);
    return () => this.lostListeners.delete(listener);
  }

  onResponsiveChange(listener: (responsive: boolean) => void): () => void {
    this.responsiveListeners.add(listener);
    return () => this.responsiveListeners.delete(listener);
  }

  /** Takes a log record of the child: kept as evidence, handed on to the log. */
  takeLogRecord(record: LogRecord): void {
    if (record.level === 'warn' || record.level === 'error') {
      this.keepLine(`${record.tag}: ${record.message}`);
    }
    if (record.tag === 'fatal') {
      this.reported = record.message;
    }
    this.options.log.log(record.level, record.tag, record.message, record.fields);
  }

  /**
   * Asks the child to end by closing its channel; kills it when it has not within `graceMs`. Resolves when it has ended.
   * Requests under way reject with `engine-ended`. Ending twice is harmless.
   */
  async end(graceMs = 3000): Promise<ChildExit> {
    if (!this.ending && this.exit === undefined) {
      this.ending = true;
      this.stopTicks();
      this.rpc.close(new GlmError(`${this.options.what}-ended`, `The ${this.options.what} process was ended on request.`));
      this.channel.disconnect();
      const cancelKill = this.options.clock.after(graceMs, () => this.channel.kill('SIGKILL'));
      void this.exited.then(cancelKill);
    }
    return this.exited;
  }

  private onExit(exit: ChildExit): void {
    this.exit = exit;
    this.stopTicks();
    if (this.ending) {
      return;
    }
    const killsNow = this.options.readMemoryKills();
    const error = new EngineLostError(this.options.what, {
      exit,
      lastLines: [...this.lines],
      memoryKills: killsNow === undefined || this.killsAtStart === undefined ? undefined : killsNow - this.killsAtStart,
      reported: this.reported,
    });
    this.options.log.log('error', this.options.what, error.message, { exitCode: exit.exitCode, signal: exit.signal });
    this.rpc.close(error);
    for (const listener of [...this.lostListeners]) {
      listener(error);
    }
  }

  private tick(silenceLimitMs: number): void {
    this.stopTicks = this.options.clock.after(tickMs, () => {
      this.silentTicks += 1;
      if (this.silentTicks * tickMs > silenceLimitMs) {
        this.setResponsive(false);
      }
      this.tick(silenceLimitMs);
    });
  }

  private setResponsive(responsive: boolean): void {
    if (this.isResponsive !== responsive) {
      this.isResponsive = responsive;
      this.options.log.log('warn', this.options.what, responsive ? 'answers again' : 'does not respond');
      for (const listener of [...this.responsiveListeners]) {
        listener(responsive);
      }
    }
  }

  private keepLine(line: string): void {
    this.lines.push(line);
    if (this.lines.length > keptLines) {
      this.lines.shift();
    }
  }
}
