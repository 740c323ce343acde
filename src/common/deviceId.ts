/** Names of devices: `cpu`, `cuda:0`, `webgpu:0`. The spelling is PyTorch's, so that messages read as people know them. */

/**
 * `cpu`, or a kind and an index, such as `cuda:0`.
 * @pattern ^(cpu|(cuda|webgpu|amd|intel):\d{1,3})$
 */
export type DeviceId = string & { readonly brand: 'DeviceId' };
export type DeviceKind = 'cpu' | 'cuda' | 'webgpu';
export type ProviderKind = 'cpu' | 'cuda' | 'webgpu';

const pattern = /^(cpu|(cuda|webgpu):(\d{1,3}))$/;

export const cpuDevice = 'cpu' as DeviceId;

/** `deviceId('cuda', 1)` is `cuda:1`; the CPU has no index. */
export function deviceId(kind: DeviceKind, index = 0): DeviceId {
  return (kind === 'cpu' ? 'cpu' : `${kind}:${index}`) as DeviceId;
}

/** The device that `text` names, or undefined. A bare `cuda` or `webgpu` means index 0. */
export function tryParseDeviceId(text: string): DeviceId | undefined {
  const full = text === 'cuda' || text === 'webgpu' ? `${text}:0` : text;
  return pattern.test(full) ? (full as DeviceId) : undefined;
}

export function deviceKind(id: DeviceId): DeviceKind {
  return (id === 'cpu' ? 'cpu' : id.slice(0, id.indexOf(':'))) as DeviceKind;
}

/** 0 for the CPU. */
export function deviceIndex(id: DeviceId): number {
  return id === 'cpu' ? 0 : Number(id.slice(id.indexOf(':') + 1));
}
