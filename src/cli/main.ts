/** Entry of the `glm` command: connects runCli with this process. */

import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import packageJson from '../../package.json';
import { cudaInstallFolder } from '../engine/client/cacheFolder';
import { startEngine } from '../engine/client/startEngine';
import { startMonitor } from '../engine/client/startMonitor';
import { CudaRuntime } from '../cuda/setup/cudaRuntime';
import type { CliContext } from './cliContext';
import { exitCode } from './exitCode';
import { runCli } from './program';

/** How long a command may take to end in good order once it was told to. */
const terminateLimitMs = 4000;

const interruptListeners = new Set<() => void>();
/** When Ctrl-C was pressed lately, in ms. */
let interrupts: readonly number[] = [];
/** Exit code of a process that was told to end, by a signal other than Ctrl-C. */
let endedBySignal: number | undefined;

/** What runs may end in good order and print what it has. Insisting ends it at once; the engine notices that its host is gone. */
function interrupt(signalCode: number): void {
  const nowMs = performance.now();
  interrupts = [...interrupts.filter((timeMs) => nowMs - timeMs < 2000), nowMs];
  if (interruptListeners.size === 0 || interrupts.length > 2) {
    process.exit(signalCode);
  }
  for (const listener of [...interruptListeners]) {
    listener();
  }
}

process.on('SIGINT', () => interrupt(exitCode.cancelled));
// `timeout`, a service manager, a closed terminal: they mean the whole command, also where Ctrl-C would only stop an answer.
for (const signal of ['SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    const code = 128 + constants.signals[signal];
    endedBySignal = code;
    setTimeout(() => process.exit(code), terminateLimitMs).unref();
    interrupt(code);
  });
}

// A reader that went away, such as `head`, is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') {
    process.exit(exitCode.done);
  }
  process.stderr.write(`Standard output can't be written (${error.message}). Free some space, or write to another place.\n`);
  process.exit(exitCode.failed);
});

const demoModelFolder = join(__dirname, '../models/glm-local-demo-chat');

/** Of CUDA, once it has been looked for. */
let libraryFolders: readonly string[] = [];

const context: CliContext = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  demoModelFolder: existsSync(demoModelFolder) ? demoModelFolder : undefined,
  startEngine: (log) => startEngine({ workerPath: join(__dirname, 'engineWorker.js'), libraryFolders, log }),
  startMonitor: (log) => startMonitor({ monitorPath: join(__dirname, 'monitor.js'), log }),
  prepareCuda: async (log) => {
    const runtime = await new CudaRuntime({ log, installRoot: cudaInstallFolder(process.env), extensionFolder: join(__dirname, '..') }).prepare();
    libraryFolders = runtime?.libraryFolders ?? [];
    return runtime?.ortLibrary;
  },
  onInterrupt: (listener) => {
    interruptListeners.add(listener);
    return () => interruptListeners.delete(listener);
  },
};

void runCli(process.argv.slice(2), context, packageJson.version).then(
  (code) => {
    process.exitCode = code === exitCode.cancelled ? (endedBySignal ?? code) : code;
    // An open stdin keeps a process alive that has nothing left to do.
    process.stdin.unref?.();
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = exitCode.failed;
  },
);
