import { describe, expect, it } from 'vitest';
import { findEntryOn, findKey, namesMapFile, parseDeviceMapText } from '../../../../src/devices/plan/deviceMapText';

const text = ['{', '  // the first half', '  "model.layers.0-19": 0,', '  "model.layers.20-39": "cpu",', '}'].join('\n');

describe('a device map in a file', () => {
  it('is read with its comments', () => {
    expect(parseDeviceMapText(text)).toEqual({ 'model.layers.0-19': 0, 'model.layers.20-39': 'cpu' });
  });

  it.each([
    ['{"a": "cpu"', /no valid JSON \(CloseBraceExpected in line 1\)/],
    ['["cpu"]', /no JSON object/],
    ['', /no JSON object|no valid JSON/],
    ['{"a": 0,\n"a": 1}', /"a" twice \(line 2\)/],
    ['{\n"a": true}', /for "a" neither a device name nor a number \(line 2\)/],
  ])('is refused as %j', (bad, message) => {
    expect(() => parseDeviceMapText(bad)).toThrow(message);
  });

  it('shows where it names a device, and where a key stands', () => {
    expect(findEntryOn(text, 'cpu')).toEqual({ line: 3, column: 2, length: 27 });
    expect(findEntryOn(text, '0')).toEqual({ line: 2, column: 2, length: 22 });
    expect(findEntryOn(text, 'cuda:1')).toBeUndefined();
    expect(findKey('{"settings": {"k": 1}}', 'k')).toBeUndefined();
    expect(findKey('{"settings": {"k": 1}}', 'k', 'settings')).toEqual({ line: 0, column: 14, length: 3 });
  });

  it('is told from a name by its ending', () => {
    expect(['maps/a.json', 'A.JSON', 'b.jsonc'].every(namesMapFile)).toBe(true);
    expect(['auto', 'cuda:0', 'json'].some(namesMapFile)).toBe(false);
  });
});
