/** Writing fixed cells back changes their lines in the file and nothing else. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readNotebook } from '../../../src/diagnostics/notebook';
import { writeNotebook } from '../../../src/diagnostics/notebookEdit';

/** Spelled as no serializer of ours would: number forms, escapes, spacing, a null output, keys in any order. */
const odd = `{ "nbformat_minor" : 5.0,
"cells": [
 {"cell_type":"markdown","source":["caf\\u00e9 \\/ tea"]},
 {"outputs":[{"data":{"score":1.50e+3,"big":12345678901234567890}}],   "cell_type":"code","metadata":{},
  "source":["a = \\"\\u00e9\\"\\n",   "b = 2\\n",
    "c = 3"],"execution_count":null}
 ], "nbformat":4 }
\t`;

describe('writeNotebook', () => {
  it('replaces the string of one line', () => {
    expect(writeNotebook(odd, new Map([[1, 'a = "é"\nb = 4\nc = 3']]))).toBe(odd.replace('"b = 2\\n"', '"b = 4\\n"'));
  });

  it('spells characters as the file does', () => {
    expect(writeNotebook(odd, new Map([[1, 'a = "é"\nb = "ü"\nc = 3']]))).toBe(odd.replace('"b = 2\\n"', '"b = \\"\\u00fc\\"\\n"'));
    const plain = '{"cells":[{"cell_type":"code","source":"é = 1"}]}';
    expect(writeNotebook(plain, new Map([[0, 'é = 2']]))).toBe('{"cells":[{"cell_type":"code","source":"é = 2"}]}');
  });

  it('puts a new line between the others with their spacing', () => {
    expect(writeNotebook(odd, new Map([[1, 'a = "é"\nb = 2\nnew = 0\nc = 3']]))).toBe(odd.replace('"b = 2\\n",\n    "c = 3"', '"b = 2\\n",   "new = 0\\n",   "c = 3"'));
  });

  it('changes nothing for texts that are the same, and for cells that are not there', () => {
    expect(writeNotebook(odd, new Map([[1, 'a = "é"\nb = 2\nc = 3'], [9, 'x']]))).toBe(odd);
  });

  it('writes what is read again, in every form of a source', () => {
    const text = fc.string({ unit: fc.constantFrom('a', '\n', '\r\n', '"', '\\', 'é', '\u2028', ' '), maxLength: 12 });
    fc.assert(
      fc.property(text, text, fc.constantFrom('string', 'lines', 'format 3'), fc.constantFrom(undefined, 1, '\t'), (before, after, form, indent) => {
        const lines = before.match(/[^\n]*\n|[^\n]+$/g) ?? [];
        const cell = form === 'string' ? { cell_type: 'code', source: before } : form === 'lines' ? { cell_type: 'code', source: lines } : { cell_type: 'code', input: lines };
        const json = JSON.stringify(form === 'format 3' ? { worksheets: [{ cells: [cell] }] } : { cells: [cell], nbformat: 4 }, undefined, indent);
        const written = writeNotebook(json, new Map([[0, after]]));
        expect(readNotebook(written)).toEqual([{ index: 0, text: after }]);
        expect(readNotebook(writeNotebook(written, new Map([[0, before]])))).toEqual([{ index: 0, text: before }]);
      }),
    );
  });
});
