/** The engine as a process: messages over IPC, heartbeat, and every way to end. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineContract } from '../../common/protocol/engine';
import { isRpcMessage, RpcServer, type RpcMessage } from '../../common/protocol/rpc';
import { createChannelLog } from './channelLog';
import type { BatchTimer } from './deltaBatcher';
import { Engine } from './engine';
import { LoadedModels } from './loadedModels';

/** How often the host hears that the event loop is alive. */
const heartbeatMs = 1000;

/** How long freeing may take when the host has gone or something broke; then the process ends with whatever it holds. */
const shutdownLimitMs = 2000;

/** Exit codes besides 0, told apart in logs. */
const exitCodes = { unexpectedError: 70, noHost: 64 } as const;

const systemTimer: BatchTimer = {
  nowMs: () => performance.now(),
  after: (delayMs, action) => {
    const timer = setTimeout(action, delayMs);
    return () => clearTimeout(timer);
  },
};

export function runEngineProcess(bundlePath: string): void {
  if (process.send === undefined) {
    process.stderr.write('This is the engine of GLM Local; it is started by the extension or by the glm command.\n');
    process.exit(exitCodes.noHost);
  }
  // Ctrl-C in a terminal reaches the whole process group; the host decides what it means.
  process.on('SIGINT', () => undefined);

  const send = (message: RpcMessage): void => {
    if (process.connected) {
      // The callback takes the error of a channel that closes meanwhile; `disconnect` deals with it.
      process.send?.(message, undefined, undefined, () => undefined);
    }
  };
  const emit = <E extends keyof EngineContract['events'] & string>(name: E, payload: EngineContract['events'][E]): void => send({ kind: 'event', name, payload });
  const log = createChannelLog((record) => emit('log', record));
  const packThreadFile = join(bundlePath, '..', 'packThread.js');
  const engine = new Engine({
    env: process.env,
    log,
    timer: systemTimer,
    bundlePath,
    packThreadFile: existsSync(packThreadFile) ? packThreadFile : undefined,
    loadedModels: new LoadedModels(),
    events: {
      onDelta: (delta) => emit('token-delta', delta),
      onPrefill: (progress) => emit('prefill-progress', progress),
      onContextLimit: (limit) => emit('context-limit', limit),
      onAlignment: (message) => emit('alignment-message', message),
      onAlignmentResolved: (keys) => emit('alignment-resolved', { keys }),
    },
    onProgress: (progress) => emit('model-load-progress', progress),
    onMemoryUse: (memory) => emit('memory-use', memory),
  });
  const server = new RpcServer<EngineContract>(send, engine.handlers);
  process.on('message', (message) => {
    if (isRpcMessage(message)) {
      server.receive(message);
    }
  });
  setInterval(() => emit('heartbeat', { timeMs: Date.now() }), heartbeatMs);

  let isEnding = false;
  const end = (exitCode: number): void => {
    if (isEnding) {
      return;
    }
    isEnding = true;
    server.abortAll();
    // A native call that cannot be interrupted would also hold up a normal exit, which waits for its thread.
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), shutdownLimitMs);
    engine.unload().then(
      () => process.exit(exitCode),
      () => process.exit(exitCode),
    );
  };
  process.on('disconnect', () => end(0));
  process.on('SIGTERM', () => end(0));
  const fail = (what: string, error: unknown): void => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    log.log('error', 'fatal', `${what}: ${error instanceof Error ? `${error.name}: ${error.message}` : text}`, { stack: text });
    process.stderr.write(`${what}: ${text}\n`);
    // State is unknown after this; the host restarts and reloads.
    end(exitCodes.unexpectedError);
  };
  process.on('uncaughtException', (error) => fail('Unexpected error', error));
  process.on('unhandledRejection', (reason) => fail('Unhandled rejection', reason));
}
