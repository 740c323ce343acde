/** What a command gets from the process it runs in; tests make their own. */

import type { Log } from '../common/log';
import type { EngineClient } from '../engine/client/startEngine';
import type { MonitorClient } from '../engine/client/startMonitor';
import type { Sink } from './output';

export interface CliContext {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: NodeJS.WritableStream & Sink;
  readonly stderr: Sink;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The small model that comes with the program, where it does. */
  readonly demoModelFolder?: string;
  /** Whoever starts a process ends it. */
  startEngine(log: Log): EngineClient;
  startMonitor(log: Log): MonitorClient;
  /**
   * Looks for CUDA, once. @returns the folder of the runtime with its CUDA provider, whose libraries engines started afterwards find;
   * undefined where CUDA is not complete.
   */
  prepareCuda(log: Log): Promise<string | undefined>;
  /** Calls `listener` on Ctrl-C until the returned function is called. Without listeners Ctrl-C ends the command. */
  onInterrupt(listener: () => void): () => void;
}
