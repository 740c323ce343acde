/**
 * Copies a tree-sitter tree into plain nodes with one cursor walk.
 *
 * Every access to a tree-sitter node crosses into WebAssembly; copying once is several times cheaper than asking node by node.
 */
import type { Node, Tree, TreeCursor } from 'web-tree-sitter';

export interface ConcreteNode {
  readonly type: string;
  readonly field: string | undefined;
  readonly start: number;
  readonly end: number;
  /** Named children, and those anonymous ones that have a field (operators). Comments are left out. */
  readonly children: readonly ConcreteNode[];
  /** This node, or one below it, could not be parsed. */
  readonly broken: boolean;
}

/** A collection literal longer than this holds data, not code: it is kept as one node without children. */
const maxLiteralChars = 20_000;
const collections = new Set(['list', 'dictionary', 'tuple', 'set', 'concatenated_string', 'binary_operator']);
const leaves = new Set(['identifier', 'integer', 'float', 'true', 'false', 'none', 'string_start', 'string_end', 'pass_statement', 'break_statement', 'continue_statement']);

/** Where comments stand, for the ignore comments. */
export interface CommentSpan {
  readonly start: number;
  readonly end: number;
}

/**
 * The whole tree as plain nodes; `tree` may be deleted afterwards.
 *
 * @param offset  Added to every position: where the parsed text starts in the analysed one (a notebook's cells are parsed apart).
 * @param comments  Receives the comments, which the nodes leave out.
 */
export function copyTree(tree: Tree, offset: number, comments: CommentSpan[]): ConcreteNode {
  return copyFrom(tree.walk(), offset, comments, tree.rootNode.hasError);
}

/** One node of a tree, with everything below it. */
export function copySubtree(node: Node, comments: CommentSpan[]): ConcreteNode {
  return copyFrom(node.walk(), 0, comments, node.hasError);
}

function copyFrom(cursor: TreeCursor, offset: number, comments: CommentSpan[], hasErrors: boolean): ConcreteNode {
  try {
    return copyNode({ cursor, offset, comments, hasErrors }, 0);
  } finally {
    cursor.delete();
  }
}

/** Nodes whose anonymous children matter. */
const hasOperators = new Set(['binary_operator', 'boolean_operator', 'comparison_operator', 'augmented_assignment']);

/** Deeper nesting is cut off: such code is generated, and the walk must not exhaust the stack. */
const maxDepth = 400;

interface Walk {
  readonly cursor: TreeCursor;
  readonly offset: number;
  readonly comments: CommentSpan[];
  /** Without any, nodes need not be asked one by one. */
  readonly hasErrors: boolean;
}

function copyNode(walk: Walk, depth: number): ConcreteNode {
  const { cursor, offset } = walk;
  const type = cursor.nodeType;
  const start = cursor.startIndex + offset;
  const end = cursor.endIndex + offset;
  const field = cursor.currentFieldName ?? undefined;
  let broken = walk.hasErrors && (type === 'ERROR' || cursor.nodeIsMissing);
  const isData = end - start > maxLiteralChars && collections.has(type);
  if (leaves.has(type) || isData || depth > maxDepth || !cursor.gotoFirstChild()) {
    return { type, field, start, end, children: [], broken };
  }
  const children: ConcreteNode[] = [];
  do {
    if (cursor.nodeIsNamed) {
      const childType = cursor.nodeType;
      if (childType === 'comment') {
        walk.comments.push({ start: cursor.startIndex + offset, end: cursor.endIndex + offset });
      } else if (childType !== 'string_content' && childType !== 'line_continuation') {
        const child = copyNode(walk, depth + 1);
        broken ||= child.broken;
        children.push(child);
      }
    } else if (walk.hasErrors && cursor.nodeIsMissing) {
      broken = true;
    } else if (hasOperators.has(type)) {
      const childField = cursor.currentFieldName;
      if (childField) {
        children.push({ type: cursor.nodeType, field: childField, start: cursor.startIndex + offset, end: cursor.endIndex + offset, children: [], broken: false });
      }
    }
  } while (cursor.gotoNextSibling());
  cursor.gotoParent();
  return { type, field, start, end, children, broken };
}
