/**
 * The CUDA libraries of this machine, found before an engine starts: its loader path must name them from the beginning.
 * Nothing is looked for on a machine without an NVIDIA driver.
 */

import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Log } from '../../common/log';
import type { CudaStatus, FindCudaOptions } from './findCuda';

export interface CudaRuntimeOptions {
  readonly log: Log;
  /** Where downloads are installed, shared with the command line. */
  readonly installRoot: string;
  /** Folder of the extension, which holds the runtime that the providers must lie beside. */
  readonly extensionFolder: string;
  /** Looked into first. */
  readonly extraFolders?: () => readonly string[];
  /** Folders of a trusted workspace only. */
  readonly workspaceFolders?: () => readonly string[];
  /** As the monitor reports it, when it has; otherwise the kernel is asked. */
  readonly driverVersion?: () => string | undefined;
  readonly hasDriver?: () => boolean;
  readonly find?: (options: FindCudaOptions) => Promise<CudaStatus>;
}

export interface PreparedRuntime {
  /** Folder with libonnxruntime and its CUDA provider side by side. */
  readonly ortLibrary: string;
  readonly libraryFolders: readonly string[];
}

export class CudaRuntime {
  private prepared: Promise<PreparedRuntime | undefined> | undefined;

  constructor(private readonly options: CudaRuntimeOptions) {}

  /** What is here and what is missing, looked up anew. */
  async status(): Promise<CudaStatus> {
    const { installRoot, extraFolders, workspaceFolders, driverVersion } = this.options;
    // Loaded on demand: most machines never come here, and activation must not pay for it.
    const find = this.options.find ?? (await import('./findCuda')).findCuda;
    return find({
      platform: process.platform,
      arch: process.arch,
      env: process.env,
      home: homedir(),
      installRoot,
      extraFolders: extraFolders?.(),
      workspaceFolders: workspaceFolders?.(),
      driverVersion: driverVersion?.(),
    });
  }

  /** The runtime with CUDA, looked up once; undefined where CUDA cannot be used. Never rejects: the engine then says what it lacks. */
  prepare(): Promise<PreparedRuntime | undefined> {
    this.prepared ??= (this.options.hasDriver ?? hasNvidiaDriver)() ? this.look() : Promise.resolve(undefined);
    return this.prepared;
  }

  /** Looks again with the next load, such as after a download or a changed setting. */
  reset(): void {
    this.prepared = undefined;
  }

  private async look(): Promise<PreparedRuntime | undefined> {
    const { log, installRoot, extensionFolder } = this.options;
    try {
      const status = await this.status();
      if (!status.ready) {
        log.log('info', 'cuda', `CUDA is not complete: ${status.messages.join(' ')}`);
        return undefined;
      }
      const name = process.platform === 'win32' ? 'onnxruntime.dll' : 'libonnxruntime.so.1';
      const packaged = join(extensionFolder, 'node_modules', 'onnxruntime-node', 'bin', 'napi-v6', process.platform, process.arch, name);
      const { makeRuntimeFolder } = await import('./runtimeFolder');
      const ortLibrary = await makeRuntimeFolder(status, packaged, installRoot);
      log.log('info', 'cuda', 'CUDA was found', { ortLibrary, libraryFolders: status.libraryFolders });
      return { ortLibrary, libraryFolders: status.libraryFolders };
    } catch (error) {
      log.log('warn', 'cuda', `Looking for CUDA failed: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  }
}

function hasNvidiaDriver(): boolean {
  const signs =
    process.platform === 'win32'
      ? [join(process.env.SystemRoot ?? 'C:\\Windows', 'System32', 'nvcuda.dll')]
      : ['/proc/driver/nvidia/version', '/dev/nvidiactl', '/usr/lib/wsl/lib/libcuda.so.1'];
  return signs.some((path) => existsSync(path));
}
