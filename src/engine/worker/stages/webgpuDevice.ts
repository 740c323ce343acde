/**
 * A GPU reached through WebGPU (Vulkan, Metal, D3D12). Its memory has no addresses: tensors come from the session's allocator, a slot's cache
 * is a tensor of its own, and so slots are decoded one after the other.
 */

import { deviceId } from '../../../common/deviceId';
import type { DType } from '../../../common/dtype';
import { GlmError } from '../../../common/errors';
import { Allocator, MemoryInfo } from '../../../ort/memory';
import { copyTensor, Value } from '../../../ort/value';
import { listVulkanAdapters, preferredVulkanAdapter } from '../../../ort/vulkanAdapters';
import type { KvMemory, KvPair, StageDevice, StageMemory } from './stageDevice';

export interface WebgpuDeviceOptions {
  readonly index: number;
  /** Software rasterisers are far slower than the CPU provider; they serve tests only. */
  readonly allowSoftware: boolean;
  /** Whether decode steps shall be captured; the runtime does so only for a model that lies on this device as a whole. */
  readonly capturesSteps: boolean;
}

/** @throws {SoftwareGpuError | GlmError} `webgpu-missing` where no adapter can be used. */
export function openWebgpuDevice({ index, allowSoftware, capturesSteps }: WebgpuDeviceOptions): StageDevice {
  assertUsableAdapter(allowSoftware);
  return {
    id: deviceId('webgpu', index),
    provider: 'webgpu',
    weightsAs: 'initializers',
    capturesSteps,
    bringOperators: (_library, precision) => Promise.resolve({ ...precision, hasGatedProduct: precision.weights === 'int4' && precision.blockSize === 32 }),
    configure: (options) => {
      if (capturesSteps) {
        options.setConfig('ep.webgpuexecutionprovider.enableGraphCapture', '1');
      }
      // Validating every command buffer costs more than it finds in graphs that the runtime made itself.
      options.setConfig('ep.webgpuexecutionprovider.validationMode', 'disabled');
      try {
        options.appendProvider('WebGPU');
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new GlmError('webgpu-missing', `No GPU can be used through WebGPU: ${reason} Install or update the GPU's driver, or choose the provider cpu.`, { cause });
      }
    },
    openMemory: (env, session): StageMemory => {
      const info = new MemoryInfo(env.library, 'WebGPU_Buf');
      const allocator = new Allocator(session, info);
      const copy = (to: Value, from: Value): void => copyTensor(env, from, to);
      return {
        sharesHostMemory: false,
        allocate: (dtype, shape) => Value.allocate(allocator, dtype, shape),
        release: (value) => value.dispose(),
        allocateKv: (layers, dtype, maxBatch, slotShape) => new SlotwiseKv(allocator, layers, dtype, maxBatch, slotShape),
        ...(env.library.has('CopyTensors') ? { upload: copy, download: copy, copyWithin: copy } : {}),
        // Its allocator counts pieces, not bytes.
        arena: () => undefined,
        [Symbol.dispose]: () => {
          allocator.dispose();
          info.dispose();
        },
      };
    },
    [Symbol.dispose]: () => undefined,
  };
}

/** The cheapest activations that the adapter can compute with: f16, or f32 where its shaders have no f16. */
export function webgpuActivations(): 'f16' | 'f32' {
  return process.platform === 'linux' && preferredVulkanAdapter()?.hasF16 === false ? 'f32' : 'f16';
}

/**
 * The only adapter is a software rasteriser.
 *
 * Cause: no GPU driver, or a container without the GPU's devices. Handled by: the load request; the CPU provider is the better choice.
 */
export class SoftwareGpuError extends GlmError {
  constructor(name: string) {
    super('webgpu-software-only', `The only WebGPU adapter is "${name}", which draws in software and is far slower than the CPU provider. Choose the provider cpu, or install the GPU's Vulkan driver.`, {
      fields: { name },
    });
  }
}

function assertUsableAdapter(allowSoftware: boolean): void {
  // Metal and D3D12 need no Vulkan, and the library for other systems brings what it uses.
  if (process.platform !== 'linux') {
    return;
  }
  const adapters = listVulkanAdapters();
  if (adapters === undefined || adapters.length === 0) {
    throw new GlmError(
      'webgpu-missing',
      adapters === undefined
        ? 'WebGPU needs the Vulkan loader (libvulkan.so.1), which is not installed. Install it (Debian, Ubuntu: libvulkan1) with your GPU\'s driver, or choose the provider cpu.'
        : 'The Vulkan loader found no GPU. Install your GPU\'s Vulkan driver, or choose the provider cpu.',
    );
  }
  const best = preferredVulkanAdapter(adapters);
  if (best?.kind === 'software' && !allowSoftware) {
    throw new SoftwareGpuError(best.name);
  }
}

/** A KV cache of one tensor per layer, slot and kind. */
class SlotwiseKv implements KvMemory {
  readonly byteLength: number;
  private readonly pairs = new Map<string, KvPair>();

  constructor(allocator: Allocator, layers: readonly number[], dtype: DType, maxBatch: number, slotShape: readonly number[]) {
    for (const layerIndex of layers) {
      for (let slot = 0; slot < maxBatch; slot += 1) {
        this.pairs.set(`${layerIndex}:${slot}`, { key: Value.allocate(allocator, dtype, [1, ...slotShape]), value: Value.allocate(allocator, dtype, [1, ...slotShape]) });
      }
    }
    this.byteLength = [...this.pairs.values()].reduce((sum, { key, value }) => sum + key.byteLength + value.byteLength, 0);
  }

  rows(layerIndex: number, firstSlot: number, slotCount: number): KvPair | undefined {
    return slotCount === 1 ? this.pairs.get(`${layerIndex}:${firstSlot}`) : undefined;
  }

  [Symbol.dispose](): void {
    for (const { key, value } of this.pairs.values()) {
      key.dispose();
      value.dispose();
    }
    this.pairs.clear();
  }
}
