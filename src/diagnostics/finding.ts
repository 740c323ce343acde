/** What a rule reports, and what a caller gets: plain data without editor types. */
import type { Span } from './syntax/ast';

export type Severity = 'error' | 'warning' | 'information' | 'hint';

/** A safe fix keeps what the program computes; an unsafe one may not, and is never applied without asking. */
export type FixSafety = 'safe' | 'unsafe';

export interface Edit extends Span {
  readonly text: string;
}

export interface Fix {
  readonly title: string;
  readonly safety: FixSafety;
  /** Do not overlap; in order of position. */
  readonly edits: readonly Edit[];
}

/** A rule's report, in offsets of the analysed text. */
export interface Finding extends Span {
  readonly message: string;
  readonly related?: readonly { readonly span: Span; readonly message: string }[];
  readonly fix?: Fix;
}

/** 0-based line and UTF-16 column, as editors count. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface Range {
  readonly start: Position;
  readonly end: Position;
}

export interface RelatedLocation {
  /** 0-based among all cells of a notebook; undefined in a Python file. */
  readonly cell?: number;
  readonly range: Range;
  readonly message: string;
}

export interface TextEdit {
  readonly cell?: number;
  readonly range: Range;
  /** Offsets into the file or the cell. */
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

export interface DiagnosticFix {
  readonly title: string;
  readonly safety: FixSafety;
  readonly edits: readonly TextEdit[];
}

export interface Diagnostic {
  readonly rule: string;
  readonly ruleName: string;
  readonly severity: Severity;
  readonly message: string;
  /** 0-based among all cells of a notebook; undefined in a Python file. */
  readonly cell?: number;
  readonly range: Range;
  readonly related: readonly RelatedLocation[];
  readonly fix?: DiagnosticFix;
}
