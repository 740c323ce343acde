/** One file: read, lint, perhaps fix and write back. */
import { readFile, writeFile } from 'node:fs/promises';
import { lintNotebook, lintPython, type PythonParser } from '../../diagnostics/analyzer';
import { fixAll } from '../../diagnostics/applyFixes';
import type { Diagnostic, FixSafety } from '../../diagnostics/finding';
import { readNotebook } from '../../diagnostics/notebook';
import { writeNotebook } from '../../diagnostics/notebookEdit';
import type { LintSettings } from '../../diagnostics/settings';
import { decodeSource } from './decodeSource';

export interface FileReport {
  readonly file: string;
  readonly diagnostics: readonly Diagnostic[];
  readonly numFixed: number;
  /** Why it could not be read or written; the other files go on. */
  readonly problem?: string;
}

export interface LintFileOptions {
  readonly settings: LintSettings;
  /** Undefined: nothing is changed. */
  readonly fix?: FixSafety;
}

type Texts = ReadonlyMap<number | undefined, string>;

export async function lintFile(parser: PythonParser, file: string, options: LintFileOptions): Promise<FileReport> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (error) {
    return { file, diagnostics: [], numFixed: 0, problem: `${file} could not be read: ${messageOf(error)}` };
  }
  const source = decodeSource(bytes);
  const isNotebook = /\.ipynb$/i.test(file);
  const texts: Texts = isNotebook ? new Map(readNotebook(source.text).map((cell) => [cell.index, cell.text])) : new Map([[undefined, source.text]]);
  const lint = (current: Texts): readonly Diagnostic[] =>
    isNotebook
      ? lintNotebook(parser, [...current].map(([index, text]) => ({ index: index ?? 0, text })), options.settings)
      : lintPython(parser, current.get(undefined) ?? '', options.settings);
  if (options.fix === undefined) {
    return { file, diagnostics: lint(texts), numFixed: 0 };
  }
  const fixed = fixAll(texts, lint, options.fix);
  if (fixed.numApplied === 0) {
    return { file, diagnostics: lint(texts), numFixed: 0 };
  }
  if (!source.canWriteBack) {
    return { file, diagnostics: lint(texts), numFixed: 0, problem: `${file} is not UTF-8 and was left as it is.` };
  }
  const changed = new Map([...fixed.texts].filter(([cell, text]) => texts.get(cell) !== text));
  const text = isNotebook ? writeNotebook(source.text, new Map([...changed].map(([cell, cellText]) => [cell ?? 0, cellText]))) : (changed.get(undefined) ?? source.text);
  try {
    await writeFile(file, `${source.hasBom ? '\uFEFF' : ''}${text}`);
  } catch (error) {
    return { file, diagnostics: lint(texts), numFixed: 0, problem: `${file} could not be written: ${messageOf(error)}` };
  }
  return { file, diagnostics: lint(fixed.texts), numFixed: fixed.numApplied };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
