import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LintSession, lintPython } from '../../../src/diagnostics/analyzer';
import { describeFindings, fixtures, pythonParser } from './lintHarness';

const text = ['GLM102.py', 'GLM105.py'].map((name) => readFileSync(join(fixtures, name), 'utf8')).join('\n');

describe('LintSession', () => {
  it('says after any edits what a fresh look at the text says', async () => {
    const parser = await pythonParser();
    const pieces = fc.constantFrom('', '\n', ' ', '(', ')', '"', '.to("cuda")', 'model', '# noqa\n', 'def f(x):\n    return x\n', '    ', ':', '=', '🙂');
    const edit = fc.record({ at: fc.nat({ max: text.length }), remove: fc.nat({ max: 30 }), insert: pieces });
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        const session = new LintSession(parser);
        let current = text;
        session.update(current);
        for (const { at, remove, insert } of edits) {
          const start = Math.min(at, current.length);
          current = current.slice(0, start) + insert + current.slice(start + remove);
          const reported = describeFindings(session.update(current));
          expect(reported).toBe(describeFindings(lintPython(parser, current)));
        }
        session.dispose();
      }),
      { numRuns: 15 },
    );
  });

  it('moves findings with the lines above them', async () => {
    const parser = await pythonParser();
    const session = new LintSession(parser);
    const before = session.update(text);
    const after = session.update(`\n\n${text}`);
    expect(after.map((finding) => finding.range.start.line)).toEqual(before.map((finding) => finding.range.start.line + 2));
  });

  it('forgets a text that no longer concerns it', async () => {
    const session = new LintSession(await pythonParser());
    expect(session.update(text).length).toBeGreaterThan(0);
    expect(session.update('print("nothing")\n')).toEqual([]);
    expect(session.update(text).length).toBeGreaterThan(0);
  });
});

describe('lintPython', () => {
  it('never throws, whatever the text', async () => {
    const parser = await pythonParser();
    const line = fc.constantFrom(...text.split('\n'));
    const noise = fc.oneof(line, fc.string({ maxLength: 40 }), fc.constantFrom('class A:', 'def f(', 'x.to(', '@', 'lambda: (', '"""', '[' , 'async for', 'match x:', '    case 1:', '\u0000', '\t', 'print "x"'));
    fc.assert(
      fc.property(fc.array(noise, { maxLength: 40 }), (lines) => {
        lintPython(parser, `from_pretrained = 1\n${lines.join('\n')}`, { select: ['ALL'] });
      }),
      { numRuns: 120 },
    );
  });

  it('leaves minified files alone, but not long lines of data in a script', async () => {
    const parser = await pythonParser();
    const start = 'import torch\nx = torch.ones(2)\nx.to("cuda")\n';
    expect(lintPython(parser, `${start}${'x.cuda();'.repeat(40_000)}`)).toEqual([]);
    expect(lintPython(parser, `${start}${'\n'.repeat(60)}data = [${'1,'.repeat(150_000)}]\n`).map((finding) => finding.rule)).toEqual(['GLM102']);
  });

  it('stays within its budget for calls that multiply', async () => {
    const chain = Array.from({ length: 40 }, (_, level) => `def f${level}(m):\n${level === 0 ? '    return m.to("cuda")\n' : `    f${level - 1}(m)\n`.repeat(8)}`).join('');
    const source = `from transformers import AutoModel\nm = AutoModel.from_pretrained("x", device_map="auto")\n${chain}f2(m)\nf39(m)\n`;
    expect(lintPython(await pythonParser(), source).map((finding) => finding.rule)).toEqual(['GLM104']);
  });
});
