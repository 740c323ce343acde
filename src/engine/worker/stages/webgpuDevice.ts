/**
 * A GPU reached through WebGPU (Vulkan, Metal, D3D12). Its memory has no addresses: tensors come from the session's allocator, a slot's cache
 * is a tensor of its own, and so slots are decoded one after the other.
 */

import { deviceId } from '../../../common/deviceId';
import type { DType } from '../../../common/dtype';
import { GlmError } from '../../../common/errors';
import { silentLog, type Log } from '../../../common/log';
import type { Env } from '../../../ort/env';
import { Allocator, MemoryInfo } from '../../../ort/memory';
import { copyTensor, Value } from '../../../ort/value';
import { listVulkanAdapters, preferredVulkanAdapter } from '../../../ort/vulkanAdapters';
import { median } from '../../../profiling/nodeTimes';
import type { SessionOptions } from '../../../ort/session';
import type { KvMemory, KvPair, StageDevice, StageMemory } from './stageDevice';
import { WebgpuInts } from './webgpuInts';

export interface WebgpuDeviceOptions {
  readonly index: number;
  /** Software rasterisers are far slower than the CPU provider; they serve tests only. */
  readonly allowSoftware: boolean;
  /** Whether decode steps shall be captured; the runtime does so only for a model that lies on this device as a whole. */
  readonly capturesSteps: boolean;
  /** Whether token ids and positions are written by an operator rather than copied; absent: whichever is faster here. */
  readonly writesInts?: boolean;
  readonly log?: Log;
}

/** @throws {SoftwareGpuError | GlmError} `webgpu-missing` where no adapter can be used. */
export function openWebgpuDevice({ index, allowSoftware, capturesSteps, writesInts, log = silentLog }: WebgpuDeviceOptions): StageDevice {
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
      appendWebgpu(options);
    },
    openMemory: async (env, session): Promise<StageMemory> => {
      const info = new MemoryInfo(env.library, 'WebGPU_Buf');
      const hostInfo = new MemoryInfo(env.library, 'Cpu');
      const allocator = new Allocator(session, info);
      const copy = (to: Value, from: Value): void => copyTensor(env, from, to);
      const opened = writesInts === false || !env.library.has('CopyTensors') ? undefined : await openInts(env, hostInfo, info, log);
      const isUsed = opened !== undefined && (writesInts === true || writesFaster(opened, copy, allocator, hostInfo, log));
      if (!isUsed) {
        opened?.[Symbol.dispose]();
      }
      const ints = isUsed ? opened : undefined;
      const upload = (to: Value, from: Value): void => {
        const { owner } = from;
        if (ints !== undefined && from.dtype === 'i32' && owner instanceof Int32Array && owner.length === 1) {
          ints.write(to, owner[0] as number);
        } else {
          copy(to, from);
        }
      };
      return {
        sharesHostMemory: false,
        allocate: (dtype, shape) => Value.allocate(allocator, dtype, shape),
        release: (value) => {
          ints?.forget(value);
          value.dispose();
        },
        allocateKv: (layers, dtype, maxBatch, slotShape) => new SlotwiseKv(allocator, layers, dtype, maxBatch, slotShape),
        ...(env.library.has('CopyTensors') ? { upload, download: copy, copyWithin: copy } : {}),
        arena: () => allocator.stats(),
        [Symbol.dispose]: () => {
          ints?.[Symbol.dispose]();
          allocator.dispose();
          info.dispose();
          hostInfo.dispose();
        },
      };
    },
    [Symbol.dispose]: () => undefined,
  };
}

/** @throws {GlmError} `webgpu-missing` */
function appendWebgpu(options: SessionOptions): void {
  // Validating every command buffer costs more than it finds in graphs that the runtime made itself.
  options.setConfig('ep.webgpuexecutionprovider.validationMode', 'disabled');
  try {
    options.appendProvider('WebGPU');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new GlmError('webgpu-missing', `No GPU can be used through WebGPU: ${reason} Install or update the GPU's driver, or choose the provider cpu.`, { cause });
  }
}

/** Without it integers are copied, which is slower and nothing more. */
async function openInts(env: Env, hostInfo: MemoryInfo, deviceInfo: MemoryInfo, log: Log): Promise<WebgpuInts | undefined> {
  try {
    const ints = await WebgpuInts.tryCreate(env, appendWebgpu, hostInfo, deviceInfo);
    if (ints === undefined) {
      log.log('warn', 'stages', 'Token ids are copied to the WebGPU device one by one: the runtime writes none there.');
    }
    return ints;
  } catch (error) {
    log.log('warn', 'stages', `Token ids are copied to the WebGPU device one by one: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

/** Which of both ways is faster depends on the driver: on an H200 a copy takes 0.9 ms. */
function writesFaster(ints: WebgpuInts, copy: (to: Value, from: Value) => void, allocator: Allocator, hostInfo: MemoryInfo, log: Log): boolean {
  const [to, from] = [Value.allocate(allocator, 'i32', [1]), Value.overArray(hostInfo, Int32Array.of(7), 'i32', [1])];
  const medianMs = (write: () => void): number => {
    // The first of either compiles or allocates.
    write();
    return median(
      Array.from({ length: 7 }, () => {
        const startMs = performance.now();
        write();
        return performance.now() - startMs;
      }),
    );
  };
  const [writtenMs, copiedMs] = [medianMs(() => ints.write(to, 7)), medianMs(() => copy(to, from))];
  ints.forget(to);
  to.dispose();
  from.dispose();
  log.log('info', 'stages', 'Token ids on their way to the WebGPU device.', { writtenMs, copiedMs });
  return writtenMs < copiedMs;
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
