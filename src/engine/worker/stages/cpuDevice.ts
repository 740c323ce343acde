/** The CPU as a stage's device: weights mapped from the packed file, the KV cache in host memory outside the JavaScript heap. */

import { cpuDevice } from '../../../common/deviceId';
import { Allocator, HostMemory, MemoryInfo } from '../../../ort/memory';
import { Value, countElements } from '../../../ort/value';
import { AddressedKv, kvBytes } from './addressedKv';
import type { StageDevice, StageMemory } from './stageDevice';

export interface CpuDeviceOptions {
  /** Threads inside an operator; undefined lets the runtime take one per core. */
  readonly threads?: number;
  /** True when several sessions take turns: a pool that goes on spinning would slow the next one. */
  readonly sharesCores: boolean;
}

export function openCpuDevice(deviceOptions: CpuDeviceOptions): StageDevice {
  return {
    id: cpuDevice,
    provider: 'cpu',
    weightsAs: 'initializers',
    configure: (options) => {
      if (deviceOptions.threads !== undefined) {
        options.setIntraOpThreads(deviceOptions.threads);
      }
      if (deviceOptions.sharesCores) {
        options.setConfig('session.force_spinning_stop', '1');
      }
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
        [Symbol.dispose]: () => {
          allocator.dispose();
          info.dispose();
        },
      };
    },
    [Symbol.dispose]: () => undefined,
  };
}
