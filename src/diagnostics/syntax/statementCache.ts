/**
 * Lowers a text that is being edited: top-level statements whose text did not change are taken over from the last time, moved to their new place.
 *
 * Owned by one editing session. A statement handed out belongs to the newest result only: the older one must not be used any more.
 */
import type { Node, Tree } from 'web-tree-sitter';
import type { Span, Stmt } from './ast';
import { copySubtree, type CommentSpan } from './concrete';
import { lowerTopLevel } from './lower';

type MutableSpan = { -readonly [Key in keyof Span]: Span[Key] };

interface Entry {
  readonly statement: Stmt;
  readonly comments: readonly CommentSpan[];
  /** Every span inside the statement and its comments, found when it first has to move: typing above moves it again with each key. */
  spans?: readonly MutableSpan[];
  start: number;
}

export interface LoweredText {
  readonly statements: readonly Stmt[];
  readonly comments: readonly CommentSpan[];
}

export class StatementCache {
  /** Several statements may have the same text; each entry is used once per result. */
  private entries = new Map<string, Entry[]>();

  lower(source: string, tree: Tree): LoweredText {
    const next = new Map<string, Entry[]>();
    const statements: Stmt[] = [];
    const comments: CommentSpan[] = [];
    for (const node of tree.rootNode.children) {
      if (!node) {
        continue;
      }
      const { startIndex: start, endIndex: end } = node;
      if (node.type === 'comment') {
        comments.push({ start, end });
        continue;
      }
      if (!node.isNamed) {
        continue;
      }
      const text = source.slice(start, end);
      const entry = this.take(text, start) ?? lowerNode(source, node);
      next.set(text, [...(next.get(text) ?? []), entry]);
      statements.push(entry.statement);
      entry.comments.forEach((comment) => comments.push(comment));
    }
    this.entries = next;
    return { statements, comments };
  }

  clear(): void {
    this.entries.clear();
  }

  private take(text: string, start: number): Entry | undefined {
    const entry = this.entries.get(text)?.pop();
    if (entry && entry.start !== start) {
      const delta = start - entry.start;
      entry.spans ??= spansIn([entry.statement, ...entry.comments]);
      for (const span of entry.spans) {
        span.start += delta;
        span.end += delta;
      }
      entry.start = start;
    }
    return entry;
  }
}

function lowerNode(source: string, node: Node): Entry {
  const comments: CommentSpan[] = [];
  const statement = lowerTopLevel(source, copySubtree(node, comments));
  return { statement, comments, start: node.startIndex };
}

/** All spans of a tree of plain objects, found by their shape, each once. */
function spansIn(roots: readonly object[]): readonly MutableSpan[] {
  const seen = new Set<object>();
  const spans: MutableSpan[] = [];
  const waiting: object[] = [...roots];
  for (let current = waiting.pop(); current; current = waiting.pop()) {
    if (seen.has(current)) {
      continue;
    }
    seen.add(current);
    const span = current as MutableSpan;
    if (typeof span.start === 'number' && typeof span.end === 'number') {
      spans.push(span);
    }
    for (const inner of Object.values(current)) {
      if (typeof inner === 'object' && inner !== null) {
        waiting.push(inner as object);
      }
    }
  }
  return spans;
}
