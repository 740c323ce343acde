/**
 * Where `# glm: ignore[…]` can be written for a finding: on one of its own lines, never inside a string and never behind a backslash that continues the line.
 *
 * Reads strings and comments only, as Python's tokenizer does; the text may be half typed.
 */
import { LineIndex } from './lineIndex';

/** What to insert, and where: 0-based line and UTF-16 column. */
export interface IgnoreComment {
  readonly line: number;
  readonly column: number;
  readonly text: string;
}

/** A comment, or a string with its quotes; a triple-quoted one may span lines, another only behind a backslash. */
const token = /#[^\r\n]*|("""|''')(?:\\[\s\S]|(?!\1)[\s\S])*(?:\1|$)|(["'])(?:\\(?:\r\n|[\s\S])|(?!\2)[^\\\r\n])*\2?/g;
const ownComment = /#\s*glm:\s*ignore\[([^\]]*)\]/i;

/**
 * The comment that silences `rule` for a finding on these lines; joins one that is there already.
 *
 * @returns undefined where no comment can be written, as when every line of the finding ends inside a string.
 */
export function ignoreComment(text: string, firstLine: number, lastLine: number, rule: string): IgnoreComment | undefined {
  const lines = new LineIndex(text);
  const comments = new Map<number, { readonly start: number; readonly text: string }>();
  /** Lines whose end lies inside a string. */
  const open = new Set<number>();
  for (const match of text.matchAll(token)) {
    const { line } = lines.positionAt(match.index);
    if (match[0].startsWith('#')) {
      comments.set(line, { start: match.index, text: match[0] });
    } else {
      const last = lines.positionAt(match.index + match[0].length).line;
      for (let inside = line; inside < last; inside++) {
        open.add(inside);
      }
    }
  }
  const contentOf = (line: number): string => text.slice(lines.startOf(line), lines.startOf(line + 1)).replace(/[\r\n]+$/, '');
  const canCarry = (line: number): boolean => !open.has(line) && (comments.has(line) || !contentOf(line).endsWith('\\'));
  for (let line = firstLine; line <= lastLine; line++) {
    const comment = comments.get(line);
    const own = ownComment.exec(comment?.text ?? '');
    if (comment !== undefined && own !== null) {
      const end = comment.start + own.index + own[0].length - 1;
      return { line, column: end - lines.startOf(line), text: (own[1] ?? '').trim() === '' ? rule : `, ${rule}` };
    }
  }
  for (let line = firstLine; line <= lastLine; line++) {
    if (canCarry(line)) {
      return { line, column: contentOf(line).trimEnd().length, text: `  # glm: ignore[${rule}]` };
    }
  }
  // Alone on its line it speaks of the next one.
  if (firstLine === 0 || canCarry(firstLine - 1)) {
    const indent = /^[ \t]*/.exec(contentOf(firstLine))?.[0] ?? '';
    return { line: firstLine, column: 0, text: `${indent}# glm: ignore[${rule}]\n` };
  }
  return undefined;
}
