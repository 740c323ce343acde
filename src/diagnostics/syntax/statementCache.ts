/**
 * Lowers a text that is being edited: top-level statements whose text did not change are taken over from the last time, moved to their new place.
 *
 * Owned by one editing session. A statement handed out belongs to the newest result only: the older one must not be used any more.
 */
import type { Node, Tree } from 'web-tree-sitter';
import type { Span, Stmt } from './ast';
import { copySubtree, type CommentSpan } from './concrete';
import { lowerTopLevel } from './lower';

interface Entry {
  readonly statement: Stmt;
  readonly comments: readonly CommentSpan[];
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
      shift(entry.statement, start - entry.start);
      entry.comments.forEach((comment) => shift(comment, start - entry.start));
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

/** Moves a tree of spans in place: plain objects, so every nested one is found by its shape. */
function shift(value: object, delta: number): void {
  const moved = new Set<object>();
  const visit = (current: object): void => {
    if (moved.has(current)) {
      return;
    }
    moved.add(current);
    const span = current as { -readonly [Key in keyof Span]: Span[Key] };
    if (typeof span.start === 'number' && typeof span.end === 'number') {
      span.start += delta;
      span.end += delta;
    }
    for (const inner of Object.values(current)) {
      if (typeof inner === 'object' && inner !== null) {
        visit(inner as object);
      }
    }
  };
  visit(value);
}
