import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { initialState } from '../../../../../webview/chat/state/chatState';
import { fieldRules, findConflict, formatStopStrings, parseStopStrings, readNumberField, type NumberField } from '../../../../../webview/chat/state/settingsValidation';

describe('readNumberField', () => {
  it.each<[NumberField, string, number | undefined]>([
    ['temperature', '0.7', 0.7],
    ['temperature', ' 1,25 ', 1.25],
    ['topK', '50', 50],
    ['topP', '.9', 0.9],
    ['seed', '', undefined],
    ['seed', '0', 0],
    ['maxNewTokens', '2e3', 2000],
  ])('reads %s from "%s"', (field, text, value) => {
    expect(readNumberField(field, text)).toEqual({ value });
  });

  it.each<[NumberField, string, RegExp]>([
    ['temperature', '', /needs a number/],
    ['temperature', 'warm', /"warm" is not a number/],
    ['temperature', '0', /between 0\.01 and 5/],
    ['temperature', 'Infinity', /not a number/],
    ['temperature', '0x10', /not a number/],
    ['topP', '0', /between/],
    ['topP', '1.01', /between/],
    ['topK', '1.5', /whole number/],
    ['topK', '-1', /between/],
    ['minNewTokens', '1 000', /not a number/],
    ['maxNewTokens', '0', /between 1 and 1,048,576/],
    ['seed', '-3', /at least 0/],
  ])('refuses %s "%s"', (field, text, problem) => {
    const result = readNumberField(field, text);
    expect('problem' in result ? result.problem : '').toMatch(problem);
  });

  it('accepts nothing outside a field’s own limits', () => {
    const fields = Object.keys(fieldRules) as NumberField[];
    fc.assert(
      fc.property(fc.constantFrom(...fields), fc.double({ noNaN: true }), (field, number) => {
        const result = readNumberField(field, String(number));
        if ('value' in result && result.value !== undefined) {
          expect(result.value).toBeGreaterThanOrEqual(fieldRules[field].min);
          expect(result.value).toBeLessThanOrEqual(fieldRules[field].max);
        }
      }),
    );
  });
});

describe('findConflict', () => {
  const { options } = initialState.settings;
  it('finds a minimum above the maximum and a maximum above the context', () => {
    expect(findConflict(options, 32_768)).toBeUndefined();
    expect(findConflict({ ...options, minNewTokens: 2000 }, undefined)).toMatch(/above max new tokens/);
    expect(findConflict({ ...options, maxNewTokens: 5000 }, 4096)).toMatch(/loaded context of 4096/);
  });
});

describe('stop strings', () => {
  it('come back as they were, whatever they hold', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1 }).filter((text) => !text.includes('\r'))), (stops) => {
        expect(parseStopStrings(formatStopStrings(stops))).toEqual(stops);
      }),
    );
  });

  it('reads escapes and drops empty lines', () => {
    expect(parseStopStrings('\\n\\n\n\nUser:\n\\\\n')).toEqual(['\n\n', 'User:', '\\n']);
  });
});
