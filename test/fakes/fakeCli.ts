/** `glm` run in this process against a fake engine: what it prints and the exit code. */

import { PassThrough } from 'node:stream';
import type { EngineContract } from '../../src/common/protocol/engine';
import type { MonitorContract } from '../../src/common/protocol/monitor';
import type { RpcHandlers } from '../../src/common/protocol/rpc';
import type { CliContext } from '../../src/cli/cliContext';
import { runCli } from '../../src/cli/program';
import { startEngine } from '../../src/engine/client/startEngine';
import { startMonitor } from '../../src/engine/client/startMonitor';
import { FakeChild } from './fakeChild';
import { FakeClock } from './fakeClock';
import { fakeEngineHandlers, type FakeEngineBehaviour } from './fakeEngine';

export interface FakeCliOptions {
  readonly behaviour?: FakeEngineBehaviour;
  /** Replaces single answers of the fake engine. */
  readonly handlers?: Partial<RpcHandlers<EngineContract>>;
  readonly monitor?: Partial<RpcHandlers<MonitorContract>>;
  readonly stdin?: string;
  /** Whether stdin is a terminal. */
  readonly isTerminal?: boolean;
  /** The runtime folder that looking for CUDA finds. */
  readonly cudaRuntime?: string;
  readonly demoModelFolder?: string;
  /** Given a way to press Ctrl-C. */
  readonly onStart?: (pressCtrlC: () => void) => void;
}

export interface CliRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Requests that reached the engine, in order. */
  readonly requests: readonly { readonly method: string; readonly params: unknown }[];
  readonly engineEnded: boolean;
}

export async function runFakeCli(args: readonly string[], options: FakeCliOptions = {}): Promise<CliRun> {
  const written = { stdout: '', stderr: '' };
  const requests: { method: string; params: unknown }[] = [];
  const children: { readonly isEnded: boolean }[] = [];
  const interrupts = new Set<() => void>();
  const stdin = Object.assign(new PassThrough(), { isTTY: options.isTerminal === true });
  stdin.end(options.stdin ?? '');
  const stdout = Object.assign(new PassThrough(), { isTTY: false });
  stdout.on('data', (data: Buffer) => (written.stdout += data.toString()));
  const context: CliContext = {
    stdin,
    stdout: stdout as unknown as CliContext['stdout'],
    stderr: { write: (text) => (written.stderr += text) },
    env: { GLM_LOCAL_CACHE: '/cache' },
    demoModelFolder: options.demoModelFolder,
    startEngine: (log) => {
      const child = new FakeChild<EngineContract>((fake) => recording({ ...fakeEngineHandlers(options.behaviour)(fake), ...options.handlers }, requests));
      children.push(child);
      return startEngine({ workerPath: 'unused', fork: () => child, clock: new FakeClock(), log });
    },
    startMonitor: (log) => {
      const child = new FakeChild<MonitorContract>(() => recording(options.monitor as RpcHandlers<MonitorContract>, requests));
      children.push(child);
      return startMonitor({ monitorPath: 'unused', fork: () => child, clock: new FakeClock(), log });
    },
    prepareCuda: () => Promise.resolve(options.cudaRuntime),
    onInterrupt: (listener) => {
      interrupts.add(listener);
      return () => interrupts.delete(listener);
    },
  };
  options.onStart?.(() => interrupts.forEach((listener) => listener()));
  const code = await runCli(args, context, '1.2.3');
  await new Promise((resolve) => setImmediate(resolve));
  return { code, ...written, requests, engineEnded: children.every((child) => child.isEnded) };
}

function recording<H extends object>(handlers: H, requests: { method: string; params: unknown }[]): H {
  return Object.fromEntries(
    Object.entries(handlers).map(([method, handler]) => [
      method,
      (params: unknown, signal: AbortSignal): unknown => {
        requests.push({ method, params });
        return (handler as (params: unknown, signal: AbortSignal) => unknown)(params, signal);
      },
    ]),
  ) as H;
}
