/** An NVIDIA GPU as a stage's device: weights, KV cache and hidden states lie in memory that this process allocated itself. */

import { deviceId } from '../../../common/deviceId';
import { CudaContext } from '../../../cuda/cudaContext';
import { CudaDriver } from '../../../cuda/cudaDriver';
import { CudaStream } from '../../../cuda/cudaStream';
import { uploadFileRanges } from '../../../cuda/fileUpload';
import { layOutStoredTensors, type StoredTensor } from '../../../model/storedTensors';
import { Allocator, MemoryInfo } from '../../../ort/memory';
import { countElements, Value, type HostArray } from '../../../ort/value';
import { dtypeBytes } from '../../../common/dtype';
import { cudaAttentionKernel } from './attentionKernel';
import { AddressedKv, kvBytes } from './addressedKv';
import { explainCudaFailure } from './cudaLibrariesError';
import { CudaOperators } from './cudaOperators';
import { compileAhead } from './decodeKernels';
import type { Stage } from './stage';
import type { StageDevice, StageMemory } from './stageDevice';

/** A stage's memory on a GPU; the fused decoder needs its addresses. */
export interface CudaStageMemory extends StageMemory {
  readonly context: CudaContext;
  /** What the stage's session queues its kernels on; work that must come before or after them is queued here too. */
  readonly stream: CudaStream;
  /** Device address of a stored tensor that was loaded. @throws {RangeError} */
  addressOf(storedName: string): bigint;
}

export function isCudaMemory(memory: StageMemory): memory is CudaStageMemory {
  return 'context' in memory;
}

/** The memory of a stage that is known to be on a GPU. @throws {TypeError} when it is not. */
export function cudaMemoryOf(stage: Stage): CudaStageMemory {
  if (!isCudaMemory(stage.parts.memory)) {
    throw new TypeError(`stage ${stage.parts.placement.stageIndex} is not on a CUDA device`);
  }
  return stage.parts.memory;
}

/** @throws {CudaUnavailableError | CudaError} when the driver or the device can't be used. */
export function openCudaDevice(ordinal: number): StageDevice {
  const context = new CudaContext(CudaDriver.load(), ordinal);
  const stream = new CudaStream(context);
  let operators: CudaOperators | undefined;
  return {
    id: deviceId('cuda', ordinal),
    provider: 'cuda',
    weightsAs: 'inputs',
    attentionKernel: (headDim, kv) => cudaAttentionKernel({ computeCapability: context.facts.computeCapability, headDim, kv, env: process.env }),
    // Queueing takes a few milliseconds and the device works meanwhile; a thread of its own would only add the way there.
    runsOnCallingThread: true,
    memoryReading: () => context.memoryInfo(),
    bringOperators: async (library, precision, shape) => {
      if (precision.activations !== 'bf16' || precision.residual !== 'bf16' || !CudaOperators.serves(shape)) {
        return precision;
      }
      operators = await CudaOperators.create(library, stream, shape);
      return { ...precision, hasGatedSilu: true, hasSandwichNorm: true };
    },
    expectDecoding: (config, precision, contextTokens) => compileAhead(context, config, precision, contextTokens),
    configure: (options) => {
      // With a stream of ours a run can be queued without waiting for it, and be captured by us; the provider then uses no other, so that its arena is in order too.
      try {
        options.appendCudaProvider({ device_id: String(ordinal), arena_extend_strategy: 'kSameAsRequested', use_tf32: '0' }, { user_compute_stream: stream.address });
      operators?.domain.addTo(options);
      } catch (cause) {
        throw explainCudaFailure(cause);
      }
    },
    openMemory: (env, session): CudaStageMemory => {
      const info = new MemoryInfo(env.library, 'Cuda', ordinal);
      const allocator = new Allocator(session, info);
      const addresses = new Map<string, bigint>();
      const blocks = new Set<bigint>();
      const tensors = new Map<Value, Disposable>();
      const allocateBlock = (byteLength: number): { readonly address: bigint } & Disposable => {
        const address = context.allocate(byteLength);
        blocks.add(address);
        return {
          address,
          [Symbol.dispose]: () => {
            if (blocks.delete(address)) {
              context.free(address);
            }
          },
        };
      };
      return {
        context,
        stream,
        sharesHostMemory: false,
        addressOf: (storedName) => {
          const address = addresses.get(storedName);
          if (address === undefined) {
            throw new RangeError(`${storedName} is not on cuda:${ordinal}`);
          }
          return address;
        },
        allocate: (dtype, shape) => {
          const block = allocateBlock(countElements(shape) * dtypeBytes[dtype]);
          const value = Value.overAddress(info, block.address, dtype, shape);
          tensors.set(value, block);
          return value;
        },
        release: (value) => {
          value.dispose();
          tensors.get(value)?.[Symbol.dispose]();
          tensors.delete(value);
        },
        allocateKv: (layers, dtype, maxBatch, slotShape) => {
          const block = allocateBlock(kvBytes(layers.length, dtype, maxBatch, slotShape));
          // Positions that were never written take part in nothing, but NaN times a weight of zero would.
          context.fillBytes(block.address, 0, kvBytes(layers.length, dtype, maxBatch, slotShape));
          return new AddressedKv(info, block, layers, dtype, maxBatch, slotShape);
        },
        loadWeights: async (stored, runsOf, onBytes, signal) => {
          const { places, endOffset } = layOutStoredTensors(stored, 0);
          const block = allocateBlock(endOffset);
          const ranges = stored.flatMap((tensor) => {
            let to = block.address + BigInt(places.get(tensor.name)?.offset ?? 0);
            addresses.set(tensor.name, to);
            return (runsOf.get(tensor.name) ?? []).map((run) => {
              const range = { ...run, to };
              to += BigInt(run.byteLength);
              return range;
            });
          });
          await uploadFileRanges(context, ranges, { onBytes, signal });
          return new Map(stored.map((tensor: StoredTensor) => [tensor.name, Value.overAddress(info, addresses.get(tensor.name) ?? 0n, tensor.dtype, tensor.shape, block)]));
        },
        copyFrom: (to, from, fromMemory) => {
          if (!isCudaMemory(fromMemory)) {
            throw new TypeError('only another GPU has memory to copy from directly');
          }
          context.copyFromPeer(to.dataAddress, fromMemory.context, from.dataAddress, from.byteLength);
        },
        upload: (to, from) => context.upload(to.dataAddress, from.owner as HostArray),
        download: (to, from) => context.download(to.owner as HostArray, from.dataAddress),
        arena: () => allocator.stats(),
        [Symbol.dispose]: () => {
          allocator.dispose();
          info.dispose();
          for (const address of blocks) {
            context.free(address);
          }
          blocks.clear();
        },
      };
    },
    [Symbol.dispose]: () => {
      operators?.[Symbol.dispose]();
      stream[Symbol.dispose]();
      context.dispose();
    },
  };
}
