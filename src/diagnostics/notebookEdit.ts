/**
 * Writes new cell texts into the JSON of a notebook, and touches nothing else: numbers, escapes, spacing and outputs stay as they were,
 * so that a version control system shows the fixed lines only.
 */
import { findNodeAtLocation, parseTree, type Node } from 'jsonc-parser';

interface Replacement {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * @param texts  New text of each changed cell, by its index among all cells.
 */
export function writeNotebook(json: string, texts: ReadonlyMap<number, string>): string {
  if (texts.size === 0) {
    return json;
  }
  const root = parseTree(json);
  const cells = root && (findNodeAtLocation(root, ['cells']) ?? findNodeAtLocation(root, ['worksheets', 0, 'cells']));
  const replacements: Replacement[] = [];
  for (const [index, text] of texts) {
    const cell = cells?.children?.[index];
    const source = cell && (findNodeAtLocation(cell, ['source']) ?? findNodeAtLocation(cell, ['input']));
    if (source?.type === 'string' && source.value !== text) {
      replacements.push(replaced(json, source, text));
    } else if (source?.type === 'array') {
      replacements.push(...replacedLines(json, source, text));
    }
  }
  return replacements.sort((a, b) => b.start - a.start).reduce((result, { start, end, text }) => result.slice(0, start) + text + result.slice(end), json);
}

/** Lines before the first and after the last difference keep their own spelling. */
function replacedLines(json: string, source: Node, text: string): readonly Replacement[] {
  const before = source.children ?? [];
  if (before.map((node) => String(node.value)).join('') === text) {
    return [];
  }
  const after = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  let head = 0;
  while (head < Math.min(before.length, after.length) && before[head]?.value === after[head]) {
    head++;
  }
  let tail = 0;
  while (tail < Math.min(before.length, after.length) - head && before[before.length - 1 - tail]?.value === after[after.length - 1 - tail]) {
    tail++;
  }
  const oldLines = before.slice(head, before.length - tail);
  const newLines = after.slice(head, after.length - tail);
  if (oldLines.length === newLines.length) {
    return oldLines.flatMap((node, position) => (node.value === newLines[position] ? [] : [replaced(json, node, newLines[position] ?? '')]));
  }
  const [first, second] = before;
  const last = before.at(-1);
  if (!first || !last) {
    return [{ start: source.offset, end: source.offset + source.length, text: JSON.stringify(after) }];
  }
  // Spacing between the elements, or in front of the only one.
  const separator = second ? json.slice(first.offset + first.length, second.offset) : `,${json.slice(source.offset + 1, first.offset)}`;
  const spelled = after.map((line, position) => {
    const kept = position < head ? before[position] : position >= after.length - tail ? before[before.length - (after.length - position)] : undefined;
    return kept ? json.slice(kept.offset, kept.offset + kept.length) : spell(json, line);
  });
  return [{ start: first.offset, end: last.offset + last.length, text: spelled.join(separator) }];
}

function replaced(json: string, node: Node, text: string): Replacement {
  return { start: node.offset, end: node.offset + node.length, text: spell(json, text) };
}

/** A JSON string, with other than ASCII characters escaped where the file escapes them. */
function spell(json: string, text: string): string {
  const spelled = JSON.stringify(text);
  return /[^\x00-\x7f]/.test(json) ? spelled : spelled.replace(/[^\x00-\x7f]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
