import { describe, expect, it } from 'vitest';
import { parseJsonKeepingNumbers, pythonFloatText, tryNumberText } from '../../../src/common/pythonNumbers';

describe('pythonFloatText', () => {
  // Each is what Python 3.11 prints for repr(float(text)).
  it.each(['0.0', '-0.0', '1.0', '-2.5', '0.1', '0.0001', '1e-05', '1.5e-07', '123456789.123', '1234567890123456.0', '1e+16', '1.25e+22', '5e-324', '1.7976931348623157e+308'])('spells %s as Python does', (text) => {
    expect(pythonFloatText(Number(text))).toBe(text);
  });
});

describe('parseJsonKeepingNumbers', () => {
  it('is JSON.parse where the spellings agree', () => {
    const text = '{"a": [1, -2, 0.5, 1e+21], "b": "1.0 \\" 2.0", "c": null}';
    expect(parseJsonKeepingNumbers(text.replace('1e+21', '7'))).toEqual(JSON.parse(text.replace('1e+21', '7')));
    expect(() => parseJsonKeepingNumbers('[1.0')).toThrow(SyntaxError);
  });

  it('keeps the others as they were', () => {
    const kept = (text: string): string | undefined => tryNumberText(Object.entries((parseJsonKeepingNumbers(`[${text}]`) as object[])[0] ?? {}));
    expect(kept('1.0')).toBe('1.0');
    expect(kept('1E2')).toBe('100.0');
    expect(kept('-0.0')).toBe('-0.0');
    expect(kept('90071992547409931')).toBe('90071992547409931');
    expect(kept('{"number": "1.0"}')).toBeUndefined();
  });
});
