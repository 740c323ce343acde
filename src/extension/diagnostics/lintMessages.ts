/** What the extension host and the lint worker say to each other. Plain data: it crosses a thread border. */
import type { Diagnostic } from '../../diagnostics/finding';
import type { NotebookCell } from '../../diagnostics/notebook';
import type { LintSettings } from '../../diagnostics/settings';

export type LintWork =
  /** A Python document as it is now; the worker keeps its tree under `key`. */
  | { readonly kind: 'document'; readonly key: string; readonly text: string; readonly settings: LintSettings }
  | { readonly kind: 'notebook'; readonly cells: readonly NotebookCell[]; readonly settings: LintSettings }
  /** A file that no editor holds; the worker reads it. */
  | { readonly kind: 'file'; readonly path: string; readonly settings: LintSettings }
  /** All safe fixes, repeated until nothing is left. Cells by index; a document has the index -1. */
  | { readonly kind: 'fix-all'; readonly cells: readonly NotebookCell[]; readonly settings: LintSettings }
  | { readonly kind: 'close'; readonly key: string };

export interface LintResult {
  readonly diagnostics: readonly Diagnostic[];
  /** Of `fix-all`: the texts that changed. */
  readonly changed: readonly NotebookCell[];
}

export interface LintRequest {
  readonly id: number;
  readonly work: LintWork;
}

export type LintReply = { readonly id: number; readonly result: LintResult } | { readonly id: number; readonly error: string };

/** Index under which `fix-all` carries the text of a document that is no notebook. */
export const documentIndex = -1;
