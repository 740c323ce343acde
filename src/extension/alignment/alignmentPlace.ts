/** Where the Problems pane shows a misalignment: the entry of the device-map file or the line of the setting that causes it. Pure. */

import type { AlignmentKind, AlignmentMessage } from '../../common/alignment';
import { findEntryOn, findKey, type EntryPlace } from '../../devices/plan/deviceMapText';

/** The setting that decides about each kind. */
const settingOfKind: Readonly<Record<AlignmentKind, string>> = {
  'host-bound-inputs': 'glm.deviceAlignment',
  'hidden-state-through-host': 'glm.deviceAlignment',
  'kv-cache-on-cpu': 'glm.deviceAlignment',
  'stage-on-cpu': 'glm.deviceMap',
  'node-fallback': 'glm.provider',
  'provider-replaced': 'glm.provider',
  'plan-differs': 'glm.deviceMap',
  'devices-shared': 'glm.deviceMap',
  'memory-taken': 'glm.maxMemory',
  'unfused-attention': 'glm.kvCache',
};

export function settingBehind(message: AlignmentMessage): string {
  return settingOfKind[message.kind];
}

/** In a device-map file: the entry that puts layers where the message finds them, else where they could be, else its beginning. */
export function placeInMap(mapText: string, { tensorDevice, consumerDevice }: Pick<AlignmentMessage, 'tensorDevice' | 'consumerDevice'>): EntryPlace {
  return spellings(tensorDevice, consumerDevice).flatMap((device) => findEntryOn(mapText, device) ?? [])[0] ?? { line: 0, column: 0, length: 1 };
}

/** The key in the text of a settings.json, or under `settings` in that of a .code-workspace file. Undefined when it is not set there. */
export function findSetting(settingsText: string, name: string): EntryPlace | undefined {
  return findKey(settingsText, name);
}

export function findWorkspaceSetting(workspaceText: string, name: string): EntryPlace | undefined {
  return findKey(workspaceText, name, 'settings');
}

/** A map may call `cuda:1` just `1`. */
function spellings(...devices: readonly (string | undefined)[]): readonly string[] {
  return devices.flatMap((device) => (device === undefined ? [] : [device, ...(/^(cuda|webgpu):\d+$/.test(device) ? [device.replace(/^.*:/, '')] : [])]));
}
