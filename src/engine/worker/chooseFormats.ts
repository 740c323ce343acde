/** What `auto` means for provider, weights and cache. Pure; the planner then says whether it fits. */

import { cpuDevice, deviceKind, tryParseDeviceId, type DeviceId, type ProviderKind } from '../../common/deviceId';
import type { KvFormat, WeightFormat } from '../../common/dtype';
import { GlmError } from '../../common/errors';
import type { DeviceBudget } from '../../common/placement';
import type { LoadOptions } from '../../common/protocol/engine';
import { readMaxMemory } from '../../devices/plan/eligibleSlots';
import { kvFormatOf, precisionFor } from '../../model/precision';

export interface FormatChoice {
  readonly provider: ProviderKind;
  readonly weights: WeightFormat;
  readonly kvCache: KvFormat;
}

/** Models up to this size in full width are not quantised: they are fast enough, and small models lose most by it. */
const smallModelBytes = 256 * 1024 ** 2;

/** Share of the free memory that weights may take before `auto` chooses fewer bits; the rest is for the context. */
const weightShare = 0.8;

type Request = Pick<LoadOptions, 'provider' | 'weights' | 'kvCache' | 'deviceMap' | 'includeDevices' | 'excludeDevices' | 'maxMemoryBytes'>;

/**
 * @param weightBytesIn  Bytes of all weights in a format on a provider.
 * @throws {GlmError} `weights-unsupported`, `kv-unsupported`
 */
export function chooseFormats(request: Request, devices: readonly DeviceBudget[], weightBytesIn: (provider: ProviderKind, weights: WeightFormat) => number): FormatChoice {
  const provider = request.provider === 'auto' ? chooseProvider(request, devices) : request.provider;
  return withWeights(request, provider, request.weights === 'auto' ? chooseWeights(request, devices, provider, weightBytesIn) : request.weights);
}

function withWeights(request: Request, provider: ProviderKind, weights: WeightFormat): FormatChoice {
  const kvCache = kvFormatOf(precisionFor(provider, weights, request.kvCache === 'int8' ? { kv: 'int8' } : {}));
  if (request.kvCache !== 'auto' && request.kvCache !== kvCache) {
    throw new GlmError('kv-unsupported', `On ${provider} with ${weights} weights the keys and values are held as ${kvCache}; ${request.kvCache} cannot be had. Choose "auto" or ${kvCache}${provider === 'webgpu' ? '' : ', or int8 for half of the memory'}.`, {
      fields: { provider, weights, kvCache: request.kvCache },
    });
  }
  return { provider, weights, kvCache };
}

/** A named device or map decides; else CUDA before WebGPU before the CPU. */
function chooseProvider(request: Request, devices: readonly DeviceBudget[]): ProviderKind {
  const map = request.deviceMap;
  if (map.kind === 'single' && map.device !== undefined) {
    return deviceKind(map.device);
  }
  if (map.kind === 'map') {
    const kinds = Object.values(map.map).map((target) => deviceKind(deviceOf(target, 'cuda') ?? cpuDevice));
    return kinds.includes('cuda') ? 'cuda' : kinds.includes('webgpu') ? 'webgpu' : 'cpu';
  }
  const order: readonly ProviderKind[] = ['cuda', 'webgpu'];
  return order.find((provider) => usable(request, devices, provider).length > 0) ?? 'cpu';
}

/** The device a map's value names, numbers counted among the GPUs of `provider`; the planner says what is wrong with one that names none. */
function deviceOf(target: string | number, provider: ProviderKind): DeviceId | undefined {
  const text = String(target).trim();
  return tryParseDeviceId(/^\d+$/.test(text) ? `${provider}:${Number(text)}` : text);
}

function usable(request: Request, devices: readonly DeviceBudget[], provider: ProviderKind): readonly DeviceBudget[] {
  return devices.filter(
    (device) => device.provider === provider && (request.includeDevices?.includes(device.id) ?? true) && !(request.excludeDevices?.includes(device.id) ?? false),
  );
}

function chooseWeights(request: Request, devices: readonly DeviceBudget[], provider: ProviderKind, weightBytesIn: (provider: ProviderKind, weights: WeightFormat) => number): WeightFormat {
  const fullWidth: WeightFormat = provider === 'cuda' ? 'bf16' : provider === 'webgpu' ? 'f16' : 'f32';
  if (weightBytesIn(provider, fullWidth) <= smallModelBytes) {
    return fullWidth;
  }
  if (provider !== 'cuda') {
    return 'int4';
  }
  const room = roomBytes(request, devices, provider) * weightShare;
  return (['bf16', 'int8'] as const).find((weights) => weightBytesIn(provider, weights) <= room) ?? 'int4';
}

/** Bytes that the GPUs of the request may take together: free, within the user's limits, and only of those that one device or a map leaves. */
function roomBytes(request: Request, devices: readonly DeviceBudget[], provider: ProviderKind): number {
  const map = request.deviceMap;
  const candidates = usable(request, devices, provider);
  const limits = readMaxMemory(candidates, request.maxMemoryBytes);
  const named = map.kind === 'map' ? Object.values(map.map).map((target) => deviceOf(target, provider)) : undefined;
  const rooms = candidates
    .filter(({ id }) => (map.kind === 'single' && map.device !== undefined ? id === map.device : (named?.includes(id) ?? true)))
    .map(({ id, freeBytes }) => Math.min(freeBytes, limits.get(id) ?? Infinity));
  return map.kind === 'single' ? Math.max(0, ...rooms) : rooms.reduce((sum, bytes) => sum + bytes, 0);
}

/** What `auto` takes where a model in these weights would need the CPU, or leave too short a context; undefined when there is nothing narrower, or the user chose. */
export function narrowerFormats(request: Request, formats: FormatChoice): FormatChoice | undefined {
  if (request.weights !== 'auto' || formats.provider !== 'cuda') {
    return undefined;
  }
  return formats.weights === 'bf16' ? withWeights(request, formats.provider, 'int8') : formats.weights === 'int8' ? withWeights(request, formats.provider, 'int4') : undefined;
}
