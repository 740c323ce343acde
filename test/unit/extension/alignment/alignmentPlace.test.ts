import { describe, expect, it } from 'vitest';
import { cpuDevice, deviceId } from '../../../../src/common/deviceId';
import { findSetting, findWorkspaceSetting, placeInMap, settingBehind } from '../../../../src/extension/alignment/alignmentPlace';

const settings = ['{', '  // "glm.deviceMap": "auto",', '  "other": "glm.deviceMap",', '  "glm.deviceMap": { "model.layers.0": 0 },', '}'].join('\r\n');

describe('findSetting', () => {
  it('finds the key, not a comment and not a value of the same text', () => {
    expect(findSetting(settings, 'glm.deviceMap')).toEqual({ line: 3, column: 2, length: 15 });
  });

  it('finds nothing where it is not set', () => {
    expect(findSetting(settings, 'glm.deviceAlignment')).toBeUndefined();
    expect(findSetting('', 'glm.deviceMap')).toBeUndefined();
  });

  it('is not misled by a comment over several lines, or by a key of the same name deeper down', () => {
    expect(findSetting('{ /*\n"glm.deviceMap": 1 */\n"x": {"glm.deviceMap": 1} }', 'glm.deviceMap')).toBeUndefined();
  });

  it('finds it in a workspace file', () => {
    expect(findWorkspaceSetting('{\n"folders": [],\n"settings": {\n  "glm.deviceMap": "single"\n}}', 'glm.deviceMap')).toEqual({ line: 3, column: 2, length: 15 });
    expect(findWorkspaceSetting('{"folders": []}', 'glm.deviceMap')).toBeUndefined();
  });

  it("shows a device-map file's entry that puts layers on the CPU, else the one of the device that is concerned, else its beginning", () => {
    const map = '{\n  "model.layers.0-3": 1,\n  "model.layers.4-7": "cpu"\n}';
    expect(placeInMap(map, { tensorDevice: cpuDevice, consumerDevice: deviceId('cuda', 1) }).line).toBe(2);
    expect(placeInMap(map, { consumerDevice: deviceId('cuda', 1) }).line).toBe(1);
    expect(placeInMap(map, { consumerDevice: deviceId('cuda', 3) })).toEqual({ line: 0, column: 0, length: 1 });
  });

  it('knows which setting decides', () => {
    const message = { key: 'k', message: 'm', state: 'found', next: [] } as const;
    expect(settingBehind({ ...message, kind: 'stage-on-cpu' })).toBe('glm.deviceMap');
    expect(settingBehind({ ...message, kind: 'host-bound-inputs' })).toBe('glm.deviceAlignment');
  });
});
