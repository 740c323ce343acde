/** Applies fixes to text. Pure: the caller reads and writes. */
import type { Diagnostic, FixSafety, TextEdit } from './finding';

/** At most this many rounds: a fix may uncover another finding, never an endless row of them. */
const maxRounds = 8;

export interface FixResult {
  /** Text of the file, or of each cell by index. */
  readonly texts: ReadonlyMap<number | undefined, string>;
  readonly numApplied: number;
}

/**
 * Applies the fixes of all diagnostics, lints again, and repeats until nothing fixable is left.
 *
 * @param lint  Diagnostics of the texts as they are now.
 * @param safety  `unsafe` applies both kinds.
 */
export function fixAll(texts: ReadonlyMap<number | undefined, string>, lint: (texts: ReadonlyMap<number | undefined, string>) => readonly Diagnostic[], safety: FixSafety): FixResult {
  let current = texts;
  let numApplied = 0;
  for (let round = 0; round < maxRounds; round++) {
    const fixable = lint(current).filter((diagnostic) => diagnostic.fix && diagnostic.fix.edits.length > 0 && (safety === 'unsafe' || diagnostic.fix.safety === 'safe'));
    const { edits, numTaken } = chooseEdits(fixable);
    if (numTaken === 0) {
      break;
    }
    numApplied += numTaken;
    current = new Map([...current].map(([cell, text]) => [cell, applyEdits(text, edits.filter((edit) => edit.cell === cell))]));
  }
  return { texts: current, numApplied };
}

/** Takes whole fixes whose edits do not overlap; an insertion that another fix makes as well is taken once. */
function chooseEdits(diagnostics: readonly Diagnostic[]): { readonly edits: readonly TextEdit[]; readonly numTaken: number } {
  const edits: TextEdit[] = [];
  let numTaken = 0;
  for (const diagnostic of diagnostics) {
    const own = diagnostic.fix?.edits ?? [];
    const fresh = own.filter((edit) => !edits.some((taken) => isSameEdit(taken, edit)));
    if (fresh.every((edit) => !edits.some((taken) => overlap(taken, edit)))) {
      edits.push(...fresh);
      numTaken++;
    }
  }
  return { edits, numTaken };
}

function isSameEdit(a: TextEdit, b: TextEdit): boolean {
  return a.cell === b.cell && a.start === b.start && a.end === b.end && a.text === b.text;
}

function overlap(a: TextEdit, b: TextEdit): boolean {
  return a.cell === b.cell && a.start <= b.end && b.start <= a.end;
}

/** Applies edits that do not overlap, in any order. */
export function applyEdits(text: string, edits: readonly TextEdit[]): string {
  return [...edits].sort((a, b) => b.start - a.start).reduce((result, edit) => result.slice(0, edit.start) + edit.text + result.slice(edit.end), text);
}
