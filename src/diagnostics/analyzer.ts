/**
 * The linter's front door: text and a ready parser in, plain diagnostics out.
 *
 * Not for: reading files, editor types, deciding when to run. The caller owns the parser (Python grammar set) and disposes it.
 */
import type { Edit as TreeEdit, Parser, Tree } from 'web-tree-sitter';
import type { Diagnostic, DiagnosticFix, Finding, Position, Severity, TextEdit } from './finding';
import { LineIndex } from './lineIndex';
import { maskMagics, type NotebookCell } from './notebook';
import { rules } from './rules/registry';
import type { Rule } from './rules/rule';
import { Interpreter } from './semantics/interpreter';
import { severityFor, type LintSettings } from './settings';
import { Suppressions } from './suppressions';
import type { Span, Stmt } from './syntax/ast';
import { copyTree, type CommentSpan } from './syntax/concrete';
import { StatementCache, type LoweredText } from './syntax/statementCache';
import { lowerModule } from './syntax/lower';

export type PythonParser = Pick<Parser, 'parse'>;

/** Diagnostics of one Python file. */
export function lintPython(parser: PythonParser, text: string, settings: LintSettings = {}): readonly Diagnostic[] {
  return mayConcern(text) ? lintPieces(parser, [{ text }], settings) : [];
}

/** Diagnostics of a notebook; later cells know what earlier ones defined. */
export function lintNotebook(parser: PythonParser, cells: readonly NotebookCell[], settings: LintSettings = {}): readonly Diagnostic[] {
  const pieces = cells.map((cell): Piece => ({ text: cell.text, cell: cell.index }));
  return cells.some((cell) => mayConcern(cell.text)) ? lintPieces(parser, pieces, settings) : [];
}

/**
 * A file that is being edited: the tree of the last text is kept, so that a keystroke reparses only what it touched.
 */
export class LintSession {
  private text = '';
  private tree: Tree | undefined;
  private readonly statements = new StatementCache();

  constructor(private readonly parser: PythonParser) {}

  /** Diagnostics of `text`, reusing what did not change since the last call. */
  update(text: string, settings: LintSettings = {}): readonly Diagnostic[] {
    if (!mayConcern(text)) {
      this.dispose();
      return [];
    }
    if (this.tree && text !== this.text) {
      this.tree.edit(editBetween(this.text, text));
    }
    const previous = this.tree;
    const tree = this.parser.parse(text, previous) ?? undefined;
    previous?.delete();
    this.tree = tree;
    this.text = text;
    return tree ? lintPieces(this.parser, [{ text, lowered: this.statements.lower(text, tree) }], settings) : [];
  }

  dispose(): void {
    this.tree?.delete();
    this.tree = undefined;
    this.text = '';
    this.statements.clear();
  }
}

interface Piece {
  readonly text: string;
  readonly cell?: number;
  /** Lowered already, by a session. */
  readonly lowered?: LoweredText;
}

/** What every finding needs somewhere in the file; most files of a workspace have none of it and are not even parsed. */
const triggers = ['.to(', '.cuda(', 'generate', 'from_pretrained', 'from_quantized'];

function mayConcern(text: string): boolean {
  return triggers.some((trigger) => text.includes(trigger)) && !isMinified(text);
}

/** Hundreds of kilobytes on a few lines: written by a program, read by nobody, and slow to parse. */
function isMinified(text: string): boolean {
  if (text.length < 200_000) {
    return false;
  }
  let numLines = 0;
  for (let at = text.indexOf('\n'); at >= 0 && numLines < 50; at = text.indexOf('\n', at + 1)) {
    numLines++;
  }
  return numLines < 50;
}

interface Placed extends Piece {
  readonly offset: number;
  readonly lines: LineIndex;
}

function lintPieces(parser: PythonParser, pieces: readonly Piece[], settings: LintSettings): readonly Diagnostic[] {
  const placed: Placed[] = [];
  let offset = 0;
  for (const piece of pieces) {
    placed.push({ ...piece, offset, lines: new LineIndex(piece.text) });
    offset += piece.text.length + 1;
  }
  const source = pieces.map((piece) => piece.text).join('\n');
  const comments: CommentSpan[] = [];
  const interpreter = new Interpreter(source);
  const statements = placed.flatMap((piece) => {
    piece.lowered?.comments.forEach((comment) => comments.push(comment));
    const body = piece.lowered?.statements ?? parsePiece(parser, source, piece, comments);
    const last = body.at(-1);
    if (piece.cell !== undefined && last?.kind === 'expression') {
      interpreter.displayed.add(last.start);
    }
    return body;
  });
  const facts = interpreter.run(statements);
  const suppressions = new Map(placed.map((piece) => [piece, new Suppressions(piece.text, commentsIn(piece, comments), piece.lines)] as const));
  const diagnostics: Diagnostic[] = [];
  for (const rule of rules) {
    const severity = severityFor(rule, settings);
    if (severity === undefined) {
      continue;
    }
    for (const finding of rule.check({ facts, source, textOf: (span) => source.slice(span.start, span.end) })) {
      const piece = pieceAt(placed, finding.start);
      const diagnostic = piece && toDiagnostic(placed, piece, rule, severity, finding);
      if (diagnostic && !suppressions.get(piece)?.covers(rule.code, diagnostic.range.start.line, diagnostic.range.end.line)) {
        diagnostics.push(diagnostic);
      }
    }
  }
  return diagnostics.sort(byPosition);
}

function parsePiece(parser: PythonParser, source: string, piece: Placed, comments: CommentSpan[]): readonly Stmt[] {
  const tree = parser.parse(piece.cell === undefined ? piece.text : maskMagics(piece.text));
  if (!tree) {
    return [];
  }
  try {
    return lowerModule(source, copyTree(tree, piece.offset, comments));
  } finally {
    tree.delete();
  }
}

function commentsIn(piece: Placed, comments: readonly CommentSpan[]): readonly CommentSpan[] {
  return comments
    .filter((comment) => comment.start >= piece.offset && comment.end <= piece.offset + piece.text.length)
    .map((comment) => ({ start: comment.start - piece.offset, end: comment.end - piece.offset }));
}

function pieceAt(placed: readonly Placed[], offset: number): Placed | undefined {
  return placed.find((piece) => offset >= piece.offset && offset <= piece.offset + piece.text.length);
}

function toDiagnostic(placed: readonly Placed[], piece: Placed, rule: Rule, severity: Severity, finding: Finding): Diagnostic {
  const place = (span: Span): { cell?: number; range: Diagnostic['range'] } | undefined => {
    const owner = pieceAt(placed, span.start);
    const at = (offset: number): Position => (owner ? owner.lines.positionAt(offset - owner.offset) : { line: 0, column: 0 });
    return owner && { cell: owner.cell, range: { start: at(span.start), end: at(span.end) } };
  };
  const related = (finding.related ?? []).flatMap(({ span, message }) => {
    const location = place(span);
    return location ? [{ ...location, message }] : [];
  });
  const range = place(finding)?.range ?? { start: { line: 0, column: 0 }, end: { line: 0, column: 0 } };
  const edits = (finding.fix?.edits ?? []).flatMap((edit): TextEdit[] => {
    const location = place(edit);
    const owner = pieceAt(placed, edit.start);
    return location && owner ? [{ ...location, start: edit.start - owner.offset, end: edit.end - owner.offset, text: edit.text }] : [];
  });
  const fix: DiagnosticFix | undefined = finding.fix && { title: finding.fix.title, safety: finding.fix.safety, edits };
  return { rule: rule.code, ruleName: rule.name, severity, message: finding.message, cell: piece.cell, range, related, fix };
}

function byPosition(a: Diagnostic, b: Diagnostic): number {
  return (a.cell ?? 0) - (b.cell ?? 0) || a.range.start.line - b.range.start.line || a.range.start.column - b.range.start.column || a.rule.localeCompare(b.rule);
}

/** The smallest single edit that turns one text into the other. */
function editBetween(before: string, after: string): TreeEdit {
  let start = 0;
  const shorter = Math.min(before.length, after.length);
  while (start < shorter && before.charCodeAt(start) === after.charCodeAt(start)) {
    start++;
  }
  let same = 0;
  while (same < shorter - start && before.charCodeAt(before.length - 1 - same) === after.charCodeAt(after.length - 1 - same)) {
    same++;
  }
  const point = (text: string, offset: number): { row: number; column: number } => {
    let row = 0;
    let lineStart = 0;
    for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) {
      row++;
      lineStart = at + 1;
    }
    return { row, column: offset - lineStart };
  };
  return {
    startIndex: start,
    oldEndIndex: before.length - same,
    newEndIndex: after.length - same,
    startPosition: point(before, start),
    oldEndPosition: point(before, before.length - same),
    newEndPosition: point(after, after.length - same),
  } as TreeEdit;
}
