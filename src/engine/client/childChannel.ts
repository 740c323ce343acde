/**
 * A child process as the client sees it: messages, log lines, and one end. `forkChild` makes a real one, tests make their own.
 *
 * Children run on the executable of their host. Under Electron that needs ELECTRON_RUN_AS_NODE, which plain Node ignores.
 */

import { fork } from 'node:child_process';
import { delimiter } from 'node:path';

/** How a child ended. `spawnError` is set when it never ran. */
export interface ChildExit {
  readonly exitCode?: number;
  readonly signal?: string;
  readonly spawnError?: Error;
  /** The message channel closed although the process was still there; it has been killed. */
  readonly channelClosed?: boolean;
}

export interface ChildChannel {
  readonly pid: number | undefined;
  /** False when the message could not be taken: the child is gone or going. */
  send(message: unknown): boolean;
  onMessage(listener: (message: unknown) => void): void;
  /** Lines of stdout and stderr. */
  onLine(listener: (line: string) => void): void;
  /** Called exactly once. */
  onExit(listener: (exit: ChildExit) => void): void;
  /** Closes the message channel, which asks the child to end by itself. */
  disconnect(): void;
  kill(signal: 'SIGTERM' | 'SIGKILL'): void;
}

export interface ForkOptions {
  /** The bundle to run. */
  readonly modulePath: string;
  readonly args?: readonly string[];
  /** Default: the executable of this process. */
  readonly execPath?: string;
  /** Added to this process's environment; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Folders that the system's loader searches first. It reads them at process start only, so they cannot be set later. */
  readonly libraryFolders?: readonly string[];
}

/** The variable in which this system's loader looks for folders of shared libraries. */
export function libraryPathVariable(platform: NodeJS.Platform): string {
  return platform === 'win32' ? 'PATH' : platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH';
}

/** The environment of a child: the host's, then `options.env`, then library folders in front of the ones already there. */
export function childEnvironment(
  base: NodeJS.ProcessEnv,
  options: Pick<ForkOptions, 'env' | 'libraryFolders'>,
  platform: NodeJS.Platform = process.platform,
): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...base, ...options.env, ELECTRON_RUN_AS_NODE: '1' };
  // A host under a debugger or with its own loader hooks must not pass them on.
  delete env.NODE_OPTIONS;
  delete env.VSCODE_INSPECTOR_OPTIONS;
  if (options.libraryFolders !== undefined && options.libraryFolders.length > 0) {
    const name = libraryPathVariable(platform);
    const separator = platform === process.platform ? delimiter : platform === 'win32' ? ';' : ':';
    env[name] = [...options.libraryFolders, ...(env[name] ? [env[name]] : [])].join(separator);
  }
  return env;
}

/** How long a child that closed its channel may take to end before it is killed. */
const channelClosedGraceMs = 500;

/** How long the end of a child waits for its last lines of output. */
const lastLinesGraceMs = 150;

/** Starts a child on this process's executable. Never throws: a failed start arrives as an exit. */
export function forkChild(options: ForkOptions): ChildChannel {
  const child = fork(options.modulePath, options.args ?? [], {
    execPath: options.execPath ?? process.execPath,
    execArgv: [],
    env: childEnvironment(process.env, options),
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const exitListeners: ((exit: ChildExit) => void)[] = [];
  let ended = false;
  let channelClosed = false;
  let weDisconnected = false;
  const end = (exit: ChildExit): void => {
    if (!ended) {
      ended = true;
      for (const listener of exitListeners) {
        listener(exit);
      }
    }
  };
  child.on('error', (error) => {
    // After a successful start, `error` only reports a failed send or kill; the exit follows by itself.
    if (child.pid === undefined) {
      end({ spawnError: error });
    }
  });
  child.on('exit', (exitCode, signal) => {
    const exit = { exitCode: exitCode ?? undefined, signal: signal ?? undefined, channelClosed: channelClosed || undefined };
    if (weDisconnected) {
      end(exit);
      return;
    }
    // `close` follows once the last lines have been read; it can be held up by a grandchild that kept the pipes.
    // The timer keeps this process alive: a pipe that was read to its end does not.
    child.on('close', () => end(exit));
    setTimeout(() => end(exit), lastLinesGraceMs);
  });
  child.on('disconnect', () => {
    if (!weDisconnected && child.exitCode === null && child.signalCode === null) {
      setTimeout(() => {
        if (!ended) {
          channelClosed = true;
          child.kill('SIGKILL');
        }
      }, channelClosedGraceMs).unref();
    }
  });
  return {
    pid: child.pid,
    send: (message) => {
      if (ended || !child.connected) {
        return false;
      }
      // The callback keeps a failed send from becoming an `error` event of the child.
      child.send(message as object, () => undefined);
      return true;
    },
    onMessage: (listener) => void child.on('message', listener),
    onLine: (listener) => {
      for (const stream of [child.stdout, child.stderr]) {
        readLines(stream, listener);
      }
    },
    onExit: (listener) => void exitListeners.push(listener),
    disconnect: () => {
      weDisconnected = true;
      if (child.connected) {
        child.disconnect();
      }
    },
    kill: (signal) => void child.kill(signal),
  };
}

/** Longest line kept; a child that writes without line ends must not fill the host's memory. */
const maxLineLength = 4096;

function readLines(stream: NodeJS.ReadableStream | null, listener: (line: string) => void): void {
  let rest = '';
  stream?.setEncoding('utf8');
  stream?.on('data', (data: string) => {
    const lines = (rest + data).split('\n');
    rest = (lines.pop() ?? '').slice(-maxLineLength);
    for (const line of lines) {
      if (line.trim() !== '') {
        listener(line.slice(0, maxLineLength).trimEnd());
      }
    }
  });
  stream?.on('end', () => {
    if (rest.trim() !== '') {
      listener(rest.trimEnd());
    }
  });
}
