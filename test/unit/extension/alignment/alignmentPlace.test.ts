import { describe, expect, it } from 'vitest';
import { findSetting, settingBehind } from '../../../../src/extension/alignment/alignmentPlace';

const settings = ['{', '  // "glm.deviceMap": "auto",', '  "other": "glm.deviceMap",', '  "glm.deviceMap": { "model.layers.0": 0 },', '}'].join('\r\n');

describe('findSetting', () => {
  it('finds the key, not a comment and not a value of the same text', () => {
    expect(findSetting(settings, 'glm.deviceMap')).toEqual({ line: 3, column: 2, length: 15 });
  });

  it('finds nothing where it is not set', () => {
    expect(findSetting(settings, 'glm.deviceAlignment')).toBeUndefined();
    expect(findSetting('', 'glm.deviceMap')).toBeUndefined();
  });

  it('knows which setting decides', () => {
    const message = { key: 'k', message: 'm', state: 'found', next: [] } as const;
    expect(settingBehind({ ...message, kind: 'stage-on-cpu' })).toBe('glm.deviceMap');
    expect(settingBehind({ ...message, kind: 'host-bound-inputs' })).toBe('glm.deviceAlignment');
  });
});
