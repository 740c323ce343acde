import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createStopMatcher } from '../../../src/generation/stopMatcher';

/** What should come out: cut before the stop string that is complete first, found character by character. */
function cut(text: string, stops: readonly string[]): { text: string; stopped: boolean } {
  for (let end = 1; end <= text.length; end++) {
    const starts = stops.filter((stop) => text.slice(0, end).endsWith(stop)).map((stop) => end - stop.length);
    if (starts.length > 0) {
      return { text: text.slice(0, Math.min(...starts)), stopped: true };
    }
  }
  return { text, stopped: false };
}

function run(pieces: readonly string[], stops: readonly string[]): { text: string; stopped: boolean } {
  const matcher = createStopMatcher(stops);
  let text = '';
  let stopped = false;
  for (const piece of pieces) {
    const result = matcher.push(piece);
    text += result.text;
    stopped ||= result.stopped;
  }
  return { text: text + (stopped ? '' : matcher.end()), stopped };
}

describe('createStopMatcher', () => {
  it.each([
    [['Hello ST', 'OP more'], ['STOP'], 'Hello ', true],
    [['a\n', '\nb'], ['\n\n'], 'a', true],
    [['ST', 'ST', 'OP'], ['STOP'], 'ST', true],
    [['ab'], ['abcd', 'b'], 'a', true],
    [['xabc'], ['bc', 'abc'], 'x', true],
    [['S', 'T'], ['STOP'], 'ST', false],
    [['text'], [], 'text', false],
  ])('%j with %j gives %j', (pieces, stops, text, stopped) => {
    expect(run(pieces, stops)).toEqual({ text, stopped });
  });

  it('cuts the same however the text arrives, and never says what it takes back (property)', () => {
    const letter = fc.constantFrom('a', 'b', 'ab', 'ba', 'c', '你');
    fc.assert(
      fc.property(fc.array(letter, { maxLength: 14 }), fc.array(fc.array(letter, { minLength: 1, maxLength: 3 }), { maxLength: 3 }), fc.array(fc.nat(20), { maxLength: 6 }), (letters, stopLetters, cuts) => {
        const text = letters.join('');
        const stops = stopLetters.map((parts) => parts.join(''));
        const bounds = [0, ...cuts.filter((at) => at <= text.length).sort((a, b) => a - b), text.length];
        const pieces = bounds.slice(1).map((end, i) => text.slice(bounds[i], end));
        const want = cut(text, stops);
        expect(run(pieces, stops)).toEqual(want);
        const matcher = createStopMatcher(stops);
        let said = '';
        for (const piece of pieces) {
          said += matcher.push(piece).text;
          expect(want.text.startsWith(said)).toBe(true);
        }
      }),
      { numRuns: 400 },
    );
  });
});
