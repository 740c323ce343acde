import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LintSession } from '../../../src/diagnostics/analyzer';
import { ignoreComment } from '../../../src/diagnostics/ignoreComment';
import { LineIndex } from '../../../src/diagnostics/lineIndex';
import { fixtures, pythonParser } from './lintHarness';

const load = 'from transformers import AutoModelForCausalLM, AutoTokenizer\ntok = AutoTokenizer.from_pretrained("m")\nmodel = AutoModelForCausalLM.from_pretrained("m", device_map="auto")\n';
const every = { select: ['ALL'] };

/** With the comment written, or undefined where none can be. */
function ignored(text: string, firstLine: number, lastLine: number, rule: string): string | undefined {
  const comment = ignoreComment(text, firstLine, lastLine, rule);
  if (comment === undefined) {
    return undefined;
  }
  const at = new LineIndex(text).startOf(comment.line) + comment.column;
  return text.slice(0, at) + comment.text + text.slice(at);
}

/** Statements without comments: what Python runs. */
async function shapeOf(text: string): Promise<string> {
  const tree = (await pythonParser()).parse(text);
  const shape = tree?.rootNode.toString().replaceAll(/ ?\(comment\)/g, '') ?? '';
  const strings = tree?.rootNode.descendantsOfType('string').map((node) => node?.text ?? '') ?? [];
  tree?.delete();
  return [shape, ...strings].join('\n');
}

describe('ignoreComment', () => {
  it.each([
    ['at the end of the line', 'inputs = tok("Hi", return_tensors="pt").to("cuda")', 'inputs = tok("Hi", return_tensors="pt").to("cuda")  # glm: ignore[GLM103]'],
    ['behind a comment that says something else', 'inputs = tok("Hi", return_tensors="pt").to("cuda")  # noqa: E501', 'inputs = tok("Hi", return_tensors="pt").to("cuda")  # noqa: E501  # glm: ignore[GLM103]'],
    ['inside a comment of ours', 'inputs = tok("Hi", return_tensors="pt").to("cuda")  # glm: ignore[GLM101]', 'inputs = tok("Hi", return_tensors="pt").to("cuda")  # glm: ignore[GLM101, GLM103]'],
    ['not inside a text that only looks like a comment of ours', 'inputs = tok("# glm: ignore[]", return_tensors="pt").to("cuda")', 'inputs = tok("# glm: ignore[]", return_tensors="pt").to("cuda")  # glm: ignore[GLM103]'],
    ['below a string of several lines', 'inputs = tok("""Hi\nthere""", return_tensors="pt").to("cuda")', 'inputs = tok("""Hi\nthere""", return_tensors="pt").to("cuda")  # glm: ignore[GLM103]'],
    ['below a line that continues', 'inputs = tok("Hi", \\\n  return_tensors="pt").to("cuda")', 'inputs = tok("Hi", \\\n  return_tensors="pt").to("cuda")  # glm: ignore[GLM103]'],
    ['below a string that continues behind a backslash', "inputs = tok('Hi \\\nthere', return_tensors='pt').to('cuda')", "inputs = tok('Hi \\\nthere', return_tensors='pt').to('cuda')  # glm: ignore[GLM103]"],
    ['above, where each line ends inside a string', 'inputs = tok("""Hi\nthere""", return_tensors="pt").to("cuda", """a\nb""")', '# glm: ignore[GLM103]\ninputs = tok("""Hi\nthere""", return_tensors="pt").to("cuda", """a\nb""")'],
    ['with the indent of the line below it', '  inputs = tok("""Hi\nthere""", return_tensors="pt").to("cuda", """a\nb""")', '  # glm: ignore[GLM103]\n  inputs = tok("""Hi\nthere""", return_tensors="pt").to("cuda", """a\nb""")'],
    ['in a file with Windows line ends', 'inputs = tok("Hi",\r\n  return_tensors="pt").to("cuda")\r\n', 'inputs = tok("Hi",  # glm: ignore[GLM103]\r\n  return_tensors="pt").to("cuda")\r\n'],
  ])('is written %s', (_where, before, after) => {
    expect(ignored(before, 0, before.trimEnd().split('\n').length - 1 - (before.includes('a\nb') ? 1 : 0), 'GLM103')).toBe(after);
  });

  it('is not offered where the lines before and within end inside strings', () => {
    expect(ignoreComment('f("""x\n""", tok("""Hi\nthere""").to("cuda", """a\nb"""))', 1, 2, 'GLM103')).toBeUndefined();
  });

  it('silences the finding and changes nothing that runs, for every finding of the fixtures', async () => {
    const parser = await pythonParser();
    const texts = readdirSync(fixtures)
      .filter((name) => name.endsWith('.py'))
      .map((name) => readFileSync(join(fixtures, name), 'utf8'));
    let numFindings = 0;
    for (const text of [...texts, `${load}inputs = tok("""Hi\nthere""", return_tensors="pt").to("cuda")\nmodel.generate(**inputs)\n`]) {
      // A session reads anew only what a comment changes.
      const session = new LintSession(parser);
      const shape = await shapeOf(text);
      for (const finding of session.update(text, every)) {
        const after = ignored(text, finding.range.start.line, finding.range.end.line, finding.rule);
        expect(after).toBeDefined();
        expect(await shapeOf(after ?? '')).toBe(shape);
        const column = finding.range.start.column;
        const still = session.update(after ?? '', every).filter(({ rule, range, message }) => rule === finding.rule && message === finding.message && range.start.column === column && range.start.line === finding.range.start.line);
        expect(still).toEqual([]);
        numFindings++;
      }
      session.dispose();
    }
    expect(numFindings).toBeGreaterThan(30);
  });
});
