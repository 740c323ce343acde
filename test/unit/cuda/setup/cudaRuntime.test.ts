import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../../src/common/log';
import type { CudaStatus } from '../../../../src/cuda/setup/findCuda';
import { neededLibraries } from '../../../../src/cuda/setup/neededLibraries';
import { CudaRuntime } from '../../../../src/cuda/setup/cudaRuntime';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'glm-cuda-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function makeRuntime(status: Partial<CudaStatus> | Error, hasDriver = true): { readonly runtime: CudaRuntime; count(): number } {
  let count = 0;
  const runtime = new CudaRuntime({
    log: silentLog,
    installRoot: join(folder, 'cuda'),
    extensionFolder: join(folder, 'extension'),
    extraFolders: () => [],
    workspaceFolders: () => [],
    driverVersion: () => '580.1',
    hasDriver: () => hasDriver,
    find: () => {
      count += 1;
      return status instanceof Error ? Promise.reject(status) : Promise.resolve({ ready: true, supported: true, messages: [], libraries: [], lookedIn: [], loadOrder: [], libraryFolders: ['/opt/cuda/lib'], next: [], ...status } as unknown as CudaStatus);
    },
  });
  return { runtime, count: () => count };
}

describe('CudaRuntime', () => {
  it('looks for nothing on a machine without an NVIDIA driver', async () => {
    const { runtime, count } = makeRuntime({}, false);
    expect(await runtime.prepare()).toBeUndefined();
    expect(count()).toBe(0);
  });

  it.skipIf(process.platform !== 'linux')('lays the provider beside the packaged runtime, and looks once until it is reset', async () => {
    const packaged = join(folder, 'extension/node_modules/onnxruntime-node/bin/napi-v6', process.platform, process.arch);
    mkdirSync(packaged, { recursive: true });
    writeFileSync(join(packaged, 'libonnxruntime.so.1'), 'runtime');
    const provider = join(folder, 'libonnxruntime_providers_cuda.so');
    writeFileSync(provider, 'provider');
    const library = neededLibraries('linux').find((one) => one.isProvider);
    const { runtime, count } = makeRuntime({ libraries: [{ library, state: 'found', path: provider, from: 'test' }] as unknown as CudaStatus['libraries'] });
    const prepared = await runtime.prepare();
    await runtime.prepare();
    expect(count()).toBe(1);
    expect(prepared?.libraryFolders).toEqual(['/opt/cuda/lib']);
    expect(readdirSync(prepared?.ortLibrary ?? '').sort()).toEqual(['libonnxruntime.so.1', 'libonnxruntime_providers_cuda.so']);
    runtime.reset();
    await runtime.prepare();
    expect(count()).toBe(2);
  });

  it('goes on without CUDA when it is incomplete or the search fails', async () => {
    expect(await makeRuntime({ ready: false, messages: ['cuDNN 9 is missing.'] }).runtime.prepare()).toBeUndefined();
    expect(await makeRuntime(new Error('unreadable')).runtime.prepare()).toBeUndefined();
  });
});
