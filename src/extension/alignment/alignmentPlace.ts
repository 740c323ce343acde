/** Where the Problems pane shows a misalignment: the line of the setting that causes it, else the model's config.json. Pure. */

import type { AlignmentKind, AlignmentMessage } from '../../common/alignment';

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

/** 0-based, the key's name with its quotes. */
export interface SettingPlace {
  readonly line: number;
  readonly column: number;
  readonly length: number;
}

/** The key in the text of a settings.json; a key in a comment is none. Undefined when it is not set there. */
export function findSetting(settingsText: string, name: string): SettingPlace | undefined {
  const key = `"${name}"`;
  for (const [line, text] of settingsText.split(/\r?\n/).entries()) {
    const column = text.indexOf(key);
    if (column >= 0 && !text.slice(0, column).includes('//') && /^\s*:/.test(text.slice(column + key.length))) {
      return { line, column, length: key.length };
    }
  }
  return undefined;
}
