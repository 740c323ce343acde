import type { ChildProcess } from 'node:child_process';

export interface ServerPaths {
  readonly node: string;
  readonly entry: string;
}

export interface RunningServer {
  readonly address: string;
  readonly process: ChildProcess;
  output(): string;
  stop(): Promise<void>;
}

export interface StartServerOptions {
  readonly port: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly home?: string;
  readonly password?: string;
  readonly args?: readonly string[];
}

export const codeServerVersion: string;
export const vscodeVersion: string;
export const quietSettings: Readonly<Record<string, unknown>>;
export function cacheRoot(): string;
export function canServe(): boolean;
export function ensureServer(say: (line: string) => void): ServerPaths;
export function prepareRun(folder: string, settings?: Readonly<Record<string, unknown>>): string;
export function installVsix(server: ServerPaths, run: string, vsix: string): void;
export function startServer(server: ServerPaths, run: string, options: StartServerOptions): Promise<RunningServer>;
export function freePort(): Promise<number>;
