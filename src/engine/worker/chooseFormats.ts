/** What `auto` means for provider, weights and cache. Pure; the planner then says whether it fits. */

import type { ProviderKind } from '../../common/deviceId';
import { deviceKind, tryParseDeviceId } from '../../common/deviceId';
import type { KvFormat, WeightFormat } from '../../common/dtype';
import { GlmError } from '../../common/errors';
import type { DeviceBudget } from '../../common/placement';
import type { LoadOptions } from '../../common/protocol/engine';
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
  const weights = request.weights === 'auto' ? chooseWeights(provider, usable(request, devices, provider), weightBytesIn) : request.weights;
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
    const kinds = Object.values(map.map).map((target) => (typeof target === 'number' ? 'cuda' : kindOf(target)));
    return kinds.includes('cuda') ? 'cuda' : kinds.includes('webgpu') ? 'webgpu' : 'cpu';
  }
  const order: readonly ProviderKind[] = ['cuda', 'webgpu'];
  return order.find((provider) => usable(request, devices, provider).length > 0) ?? 'cpu';
}

function kindOf(target: string): ProviderKind {
  const id = tryParseDeviceId(/^\d+$/.test(target) ? `cuda:${target}` : target);
  return id === undefined ? 'cpu' : deviceKind(id);
}

function usable(request: Request, devices: readonly DeviceBudget[], provider: ProviderKind): readonly DeviceBudget[] {
  return devices.filter(
    (device) => device.provider === provider && (request.includeDevices?.includes(device.id) ?? true) && !(request.excludeDevices?.includes(device.id) ?? false),
  );
}

function chooseWeights(provider: ProviderKind, devices: readonly DeviceBudget[], weightBytesIn: (provider: ProviderKind, weights: WeightFormat) => number): WeightFormat {
  const fullWidth: WeightFormat = provider === 'cuda' ? 'bf16' : provider === 'webgpu' ? 'f16' : 'f32';
  if (weightBytesIn(provider, fullWidth) <= smallModelBytes) {
    return fullWidth;
  }
  if (provider !== 'cuda') {
    return 'int4';
  }
  const room = devices.reduce((sum, device) => sum + device.freeBytes, 0) * weightShare;
  return (['bf16', 'int8'] as const).find((weights) => weightBytesIn(provider, weights) <= room) ?? 'int4';
}
