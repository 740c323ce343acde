/** What the linter's tests share: one parser, readable findings, and golden files. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Parser } from 'web-tree-sitter';
import { expect } from 'vitest';
import type { Diagnostic } from '../../../src/diagnostics/finding';
import { createPythonParser } from '../../../src/diagnostics/pythonParser';

const root = join(__dirname, '../../..');
export const fixtures = join(root, 'test/fixtures/diagnostics');

let shared: Promise<Parser> | undefined;

export function pythonParser(): Promise<Parser> {
  shared ??= createPythonParser({
    engineWasm: join(root, 'node_modules/web-tree-sitter/web-tree-sitter.wasm'),
    pythonWasm: join(root, 'node_modules/@vscode/tree-sitter-wasm/wasm/tree-sitter-python.wasm'),
  });
  return shared;
}

/** `GLM101 [fix] 6:24 message`, with related places indented below. */
export function describeFindings(diagnostics: readonly Diagnostic[]): string {
  const place = (cell: number | undefined, { line, column }: { line: number; column: number }): string => `${cell === undefined ? '' : `cell ${cell} `}${line + 1}:${column + 1}`;
  return diagnostics
    .map((diagnostic) => {
      const fix = diagnostic.fix ? ` [${diagnostic.fix.safety === 'safe' ? 'fix' : 'unsafe fix'}]` : '';
      const related = diagnostic.related.map((item) => `    ${place(item.cell, item.range.start)} ${item.message}\n`).join('');
      return `${diagnostic.rule}${fix} ${place(diagnostic.cell, diagnostic.range.start)}-${place(undefined, diagnostic.range.end)} ${diagnostic.message}\n${related}`;
    })
    .join('');
}

/** Compares with a stored file; UPDATE_GOLDEN=1 writes it. */
export function expectGolden(path: string, text: string): void {
  if (process.env['UPDATE_GOLDEN'] === '1') {
    writeFileSync(path, text);
  }
  expect(text).toBe(readFileSync(path, 'utf8'));
}

/** Lines (from 1) that carry a `# GLM101` mark at their end, by rule. */
export function markedLines(text: string): readonly string[] {
  return text.split('\n').flatMap((line, index) => {
    const rule = /# (GLM\d+)$/.exec(line.trimEnd())?.[1];
    return rule !== undefined && !/noqa|ignore/.test(line) ? [`${rule} ${index + 1}`] : [];
  });
}
