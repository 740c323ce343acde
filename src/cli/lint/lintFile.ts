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
  /** It could not be read, or not be written although fixes were wanted. */
  readonly isUnchecked?: boolean;
}

export interface LintFileOptions {
  readonly settings: LintSettings;
  /** Undefined: nothing is changed. */
  readonly fix?: FixSafety;
}

type Texts = ReadonlyMap<number | undefined, string>;

/** Reads, lints, and with `fix` writes back what changed. */
export async function lintFile(parser: PythonParser, file: string, options: LintFileOptions): Promise<FileReport> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (error) {
    return { file, diagnostics: [], numFixed: 0, problem: `${file} could not be read: ${messageOf(error)}`, isUnchecked: true };
  }
  const { report, fixed } = lintBytes(parser, file, bytes, options);
  if (fixed === undefined) {
    return report;
  }
  try {
    await writeFile(file, fixed);
    return report;
  } catch (error) {
    const { report: unfixed } = lintBytes(parser, file, bytes, { ...options, fix: undefined });
    return { ...unfixed, problem: `${file} could not be written: ${messageOf(error)}`, isUnchecked: true };
  }
}

export interface LintedBytes {
  readonly report: FileReport;
  /** The whole new text, where fixes changed it. */
  readonly fixed?: string;
}

/** The same without touching a disk. `file` is for messages, and its ending tells a notebook. */
export function lintBytes(parser: PythonParser, file: string, bytes: Uint8Array, options: LintFileOptions): LintedBytes {
  const source = decodeSource(bytes);
  const isNotebook = /\.ipynb$/i.test(file);
  const texts: Texts = isNotebook ? new Map(readNotebook(source.text).map((cell) => [cell.index, cell.text])) : new Map([[undefined, source.text]]);
  const lint = (current: Texts): readonly Diagnostic[] =>
    isNotebook
      ? lintNotebook(parser, [...current].map(([index, text]) => ({ index: index ?? 0, text })), options.settings)
      : lintPython(parser, current.get(undefined) ?? '', options.settings);
  const fixed = options.fix && fixAll(texts, lint, options.fix);
  if (!fixed || fixed.numApplied === 0) {
    return { report: { file, diagnostics: lint(texts), numFixed: 0 } };
  }
  if (!source.canWriteBack) {
    return { report: { file, diagnostics: lint(texts), numFixed: 0, problem: `${file} is not UTF-8 and was left as it is.` } };
  }
  const changed = new Map([...fixed.texts].filter(([cell, text]) => texts.get(cell) !== text));
  const text = isNotebook ? writeNotebook(source.text, new Map([...changed].map(([cell, cellText]) => [cell ?? 0, cellText]))) : (changed.get(undefined) ?? source.text);
  return { report: { file, diagnostics: lint(fixed.texts), numFixed: fixed.numApplied }, fixed: `${source.hasBom ? '\uFEFF' : ''}${text}` };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
