/** The CPU as a stage's device: weights mapped from the packed file, the KV cache in host memory outside the JavaScript heap. */

import { availableParallelism, cpus } from 'node:os';
import { cpuDevice } from '../../../common/deviceId';
import { readCgroupCpus } from '../../../devices/probe/cgroupLimits';
import { SystemFiles } from '../../../devices/probe/systemFiles';
import { tryUseExactArena } from '../../../ort/exactArena';
import { moveToHugePages, noteAnonymousMemory } from '../../../ort/hugePages';
import { Allocator, HostMemory, MemoryInfo } from '../../../ort/memory';
import { Value, countElements } from '../../../ort/value';
import { AddressedKv, kvBytes } from './addressedKv';
import type { StageDevice, StageMemory } from './stageDevice';

export interface CpuDeviceOptions {
  /** Threads inside an operator; undefined takes one per core, as far as this process may use them. */
  readonly threads?: number;
  /** True when several sessions take turns: a pool that goes on spinning would slow the next one. */
  readonly sharesCores: boolean;
}

/**
 * Threads for a process that may not use every CPU, by its affinity or its container's quota; undefined when it may, which leaves the choice to
 * the runtime: it counts the machine's cores, and more spinning threads than CPUs wait for each other most of the time.
 */
export function threadsWhereLimited({ cpus, usable, quota }: { readonly cpus: number; readonly usable: number; readonly quota: number | undefined }): number | undefined {
  const allowed = Math.min(usable, Math.floor(quota ?? Infinity));
  return allowed < cpus ? Math.max(1, allowed) : undefined;
}

export function openCpuDevice(deviceOptions: CpuDeviceOptions): StageDevice {
  let memoryBeforeLoad: ReturnType<typeof noteAnonymousMemory>;
  let arena: Disposable | undefined;
  return {
    id: cpuDevice,
    provider: 'cpu',
    weightsAs: 'initializers',
    configure: (options, env) => {
      const threads = deviceOptions.threads ?? threadsWhereLimited({ cpus: cpus().length, usable: availableParallelism(), quota: readCgroupCpus(new SystemFiles()) });
      if (threads !== undefined) {
        options.setIntraOpThreads(threads);
      }
      if (deviceOptions.sharesCores) {
        options.setConfig('session.force_spinning_stop', '1');
      }
      // A remembered pattern takes its block beside what the first run of that shape took: 42 of 99 MiB with a 1.5B model.
      options.disableMemoryPattern();
      arena = tryUseExactArena(env, options);
      memoryBeforeLoad = noteAnonymousMemory();
    },
    // Before the KV cache is allocated: its untouched pages cost nothing, and on huge pages they would.
    afterLoad: () => {
      arena?.[Symbol.dispose]();
      return memoryBeforeLoad === undefined ? Promise.resolve(0) : moveToHugePages(memoryBeforeLoad);
    },
    openMemory: (env, session): StageMemory => {
      const info = new MemoryInfo(env.library, 'Cpu');
      const allocator = new Allocator(session, info);
      // While loading, the runtime repacks weights into its arena and lets go of the mapped originals: those bytes are weights, not activations.
      const repackedBytes = allocator.stats()?.inUseBytes ?? 0;
      const allocateBlock = (byteLength: number): { readonly address: bigint } & Disposable => {
        const memory = new HostMemory(env.library, byteLength);
        return { address: memory.native, [Symbol.dispose]: () => memory.dispose() };
      };
      return {
        sharesHostMemory: true,
        allocate: (dtype, shape) => Value.overArray(info, dtype === 'f32' ? new Float32Array(countElements(shape)) : new Uint16Array(countElements(shape)), dtype, shape),
        release: (value) => value.dispose(),
        allocateKv: (layers, dtype, maxBatch, slotShape) =>
          new AddressedKv(info, allocateBlock(kvBytes(layers.length, dtype, maxBatch, slotShape)), layers, dtype, maxBatch, slotShape),
        arena: () => {
          const stats = allocator.stats();
          const beyondWeights = (bytes: number | undefined): number | undefined => (bytes === undefined ? undefined : Math.max(0, bytes - repackedBytes));
          return stats === undefined
            ? undefined
            : { inUseBytes: beyondWeights(stats.inUseBytes), reservedBytes: beyondWeights(stats.reservedBytes), peakBytes: beyondWeights(stats.peakBytes) };
        },
        // Elsewhere the runtime would take the next power of two.
        ...(arena === undefined ? {} : { reserve: (bytes: number) => allocator.reserve(bytes) }),
        [Symbol.dispose]: () => {
          allocator.dispose();
          info.dispose();
        },
      };
    },
    [Symbol.dispose]: () => arena?.[Symbol.dispose](),
  };
}
