import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lintNotebook } from '../../../src/diagnostics/analyzer';
import { fixAll } from '../../../src/diagnostics/applyFixes';
import { maskMagics, readNotebook } from '../../../src/diagnostics/notebook';
import { writeNotebook } from '../../../src/diagnostics/notebookEdit';
import { pythonParser } from './lintHarness';

const load = 'from transformers import AutoModelForCausalLM, AutoTokenizer\ntok = AutoTokenizer.from_pretrained("m")\nmodel = AutoModelForCausalLM.from_pretrained("m", device_map="auto")';

function notebook(cells: readonly (string | { readonly markdown: string })[]): string {
  const made = cells.map((cell) =>
    typeof cell === 'string' ? { cell_type: 'code', metadata: {}, outputs: [], execution_count: null, source: cell.split(/(?<=\n)/) } : { cell_type: 'markdown', metadata: {}, source: [cell.markdown] },
  );
  return `${JSON.stringify({ cells: made, metadata: { language_info: { name: 'python' } }, nbformat: 4, nbformat_minor: 5 }, undefined, 1)}\n`;
}

describe('lintNotebook', () => {
  it('knows in later cells what earlier ones defined, and counts all cells', async () => {
    const json = notebook(['!pip install transformers', { markdown: '# Load' }, load, '%%time\ninputs = tok("Hi", return_tensors="pt").to("cuda")', 'model.generate(**inputs)']);
    const findings = lintNotebook(await pythonParser(), readNotebook(json));
    expect(findings.map(({ rule, cell, range }) => ({ rule, cell, line: range.start.line + 1, column: range.start.column + 1 }))).toEqual([{ rule: 'GLM103', cell: 3, line: 2, column: 10 }]);
    expect(findings[0]?.related[0]?.cell).toBe(4);
  });

  it('understands a notebook in which one cell does not parse', async () => {
    const json = notebook([load, 'for x in (:\n  print(', 'ids = tok.encode("Hi", return_tensors="pt")\nmodel.generate(ids)']);
    expect(lintNotebook(await pythonParser(), readNotebook(json)).map(({ rule, cell }) => [rule, cell])).toEqual([['GLM101', 2]]);
  });

  it('takes the last expression of a cell for a display when a tensor was made on the spot', async () => {
    const parser = await pythonParser();
    const shown = notebook(['import torch\nx = torch.ones(2)\nx.to("cuda")']);
    const lost = notebook(['import torch\nx = torch.ones(2)\nx.to("cuda")\nprint(x)']);
    expect(lintNotebook(parser, readNotebook(shown))).toEqual([]);
    expect(lintNotebook(parser, readNotebook(lost)).map(({ rule }) => rule)).toEqual(['GLM102']);
  });

  it('fixes cells and leaves everything else of the file alone', async () => {
    const parser = await pythonParser();
    const json = notebook([load, { markdown: 'Ask:' }, 'inputs = tok("Hi", return_tensors="pt")\n', 'model.generate(**inputs)']);
    const texts = new Map<number | undefined, string>(readNotebook(json).map((cell) => [cell.index, cell.text]));
    const fixed = fixAll(texts, (current) => lintNotebook(parser, [...current].map(([index, text]) => ({ index: index ?? 0, text }))), 'safe');
    const written = writeNotebook(json, new Map([[2, fixed.texts.get(2) ?? '']]));
    expect(written).toBe(json.replace('return_tensors=\\"pt\\")', 'return_tensors=\\"pt\\").to(model.device)'));
    expect(writeNotebook(json, new Map())).toBe(json);
  });
});

describe('readNotebook', () => {
  it.each(['', '{', '[]', 'null', '{"cells": 3}', '{"cells": [null, {"cell_type": "code"}, {"cell_type": "code", "source": [1]}]}'])('gives no cells for %j', (json) => {
    expect(readNotebook(json)).toEqual([]);
  });

  it('leaves notebooks of other languages alone', () => {
    expect(readNotebook('{"cells":[{"cell_type":"code","source":"x.to(1)"}],"metadata":{"kernelspec":{"language":"julia"}}}')).toEqual([]);
  });

  it('reads format 3', () => {
    expect(readNotebook('{"worksheets":[{"cells":[{"cell_type":"code","input":["a\\n","b"]}]}]}')).toEqual([{ index: 0, text: 'a\nb' }]);
  });
});

describe('maskMagics', () => {
  it('keeps the length of every line', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom('!ls', '  %time x', '!a \\', 'x = !ls', '?x', 'y??', '%')), { maxLength: 12 }), (lines) => {
        const text = lines.join('\n');
        expect(maskMagics(text).split('\n').map((line) => line.length)).toEqual(text.split('\n').map((line) => line.length));
      }),
    );
  });

  it('hides shell lines with their continuations, and whole cells of other languages', () => {
    expect(maskMagics('!pip install \\\n  torch\nx = 1')).toBe('pass          \n  pass \nx = 1');
    expect(maskMagics('%%bash\necho x').trim()).toBe('');
    expect(maskMagics('%%time\nx = 1')).toBe('pass  \nx = 1');
    expect(maskMagics('print("%d"\n  % (x))')).toBe('print("%d"\n  % (x))');
  });
});
