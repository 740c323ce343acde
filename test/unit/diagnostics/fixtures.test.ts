import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lintPython } from '../../../src/diagnostics/analyzer';
import { fixAll } from '../../../src/diagnostics/applyFixes';
import type { FixSafety } from '../../../src/diagnostics/finding';
import type { LintSettings } from '../../../src/diagnostics/settings';
import { rules } from '../../../src/diagnostics/rules/registry';
import { describeFindings, expectGolden, fixtures, markedLines, pythonParser } from './lintHarness';

const files = readdirSync(fixtures).filter((name) => name.endsWith('.py') && !name.endsWith('.fixed.py'));

/** A rule's own fixture is about that rule; the others are about all of them. */
function settingsFor(name: string): LintSettings {
  return /^GLM\d+\.py$/.test(name) ? { select: [name.replace('.py', '')] } : {};
}

describe.each(files)('fixture %s', (name) => {
  const text = readFileSync(join(fixtures, name), 'utf8');
  const path = (suffix: string): string => join(fixtures, name.replace(/\.py$/, suffix));

  it('is reported at exactly the marked lines, in the stored words', async () => {
    const diagnostics = lintPython(await pythonParser(), text, settingsFor(name));
    expect(diagnostics.map((diagnostic) => `${diagnostic.rule} ${diagnostic.range.start.line + 1}`)).toEqual(markedLines(text));
    expectGolden(path('.txt'), describeFindings(diagnostics));
  });

  it('has a fixed form that lints clean and that fixing does not change', async () => {
    const parser = await pythonParser();
    const code = settingsFor(name).select?.[0];
    const safety: FixSafety = rules.find((rule) => rule.code === code)?.fixSafety === 'unsafe' ? 'unsafe' : 'safe';
    const lint = (source: string) => lintPython(parser, source, settingsFor(name));
    const fix = (source: string) => fixAll(new Map([[undefined, source]]), (texts) => lint(texts.get(undefined) ?? ''), safety).texts.get(undefined) ?? '';
    const fixed = fix(text);
    const hasFix = lint(text).some((diagnostic) => diagnostic.fix);
    if (hasFix) {
      expectGolden(path('.fixed.py'), fixed);
    }
    expect(fix(fixed)).toBe(fixed);
    expect(lint(fixed).filter((diagnostic) => diagnostic.fix && (safety === 'unsafe' || diagnostic.fix.safety === 'safe'))).toEqual([]);
  });

  it('parses after the fix when it parsed before', async () => {
    const parser = await pythonParser();
    const fixedPath = path('.fixed.py');
    if (!readdirSync(fixtures).includes(fixedPath.split('/').at(-1) ?? '')) {
      return;
    }
    const hadErrors = parser.parse(text)?.rootNode.hasError;
    expect(parser.parse(readFileSync(fixedPath, 'utf8'))?.rootNode.hasError).toBe(hadErrors);
  });
});
