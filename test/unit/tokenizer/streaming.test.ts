import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fixtureNames, fixtureTokenizer } from './fixtures';

describe.each(fixtureNames)('stream decoder of %s', (name) => {
  const tokenizer = fixtureTokenizer(name);

  it('says the same as decoding the whole, whatever the ids (property)', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(tokenizer.vocabSize + 20), { maxLength: 40 }), fc.boolean(), (ids, skipSpecial) => {
        const stream = tokenizer.streamDecoder({ skipSpecial });
        expect(ids.map((id) => stream.push(id)).join('') + stream.end()).toBe(tokenizer.decode(ids, { skipSpecial }));
      }),
      { numRuns: 250 },
    );
  });

  it('gives back any text and never shows half a character (property)', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 30 }), (text) => {
        const ids = tokenizer.encode(text, 'plain');
        expect(tokenizer.decode(ids, { skipSpecial: false })).toBe(text);
        const stream = tokenizer.streamDecoder({ skipSpecial: true });
        let soFar = '';
        for (const id of ids) {
          soFar += stream.push(id);
          expect(text.startsWith(soFar)).toBe(true);
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('stream decoder', () => {
  it('holds an emoji back until its last byte', () => {
    const tokenizer = fixtureTokenizer('ranks');
    const ids = [...tokenizer.encode('🦙', 'plain')];
    const stream = tokenizer.streamDecoder({ skipSpecial: true });
    const said = ids.map((id) => stream.push(id));
    expect(ids.length).toBeGreaterThan(1);
    expect(said.slice(0, -1).join('')).toBe('');
    expect(said.at(-1)).toBe('🦙');
  });

  it('shows what was cut off as U+FFFD at the end, as decode does, and can then be used again', () => {
    const tokenizer = fixtureTokenizer('ranks');
    const ids = [...tokenizer.encode('🦙', 'plain')].slice(0, -1);
    const stream = tokenizer.streamDecoder({ skipSpecial: true });
    ids.forEach((id) => stream.push(id));
    expect(stream.end()).toBe('\ufffd');
    expect(tokenizer.decode(ids, { skipSpecial: true })).toBe('\ufffd');
    expect(stream.push(tokenizer.encode('a', 'plain')[0]!)).toBe('a');
  });

  it('passes over ids that no token has', () => {
    const tokenizer = fixtureTokenizer('pairs');
    expect(tokenizer.decode([tokenizer.vocabSize, ...tokenizer.encode('ok', 'plain'), 151_551], { skipSpecial: false })).toBe('ok');
  });
});
