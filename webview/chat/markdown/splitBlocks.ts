/**
 * Cuts Markdown into its top-level blocks, for rendering that grows with the text.
 *
 * Pure. Later text can change the last block only (a paragraph becomes a heading, a list gets looser), so all blocks before it are final.
 */

import type { Token } from 'markdown-it';
import { fenceLanguage, parseMarkdown, type MarkdownEnvironment } from './markdownParser';

interface BlockPlace {
  /** Offsets in the parsed text; `end` is exclusive. */
  readonly start: number;
  readonly end: number;
}

export interface ListItem extends BlockPlace {
  readonly tokens: Token[];
}

/** `tokens` from the row's open to its close. */
export interface TableRow extends BlockPlace {
  readonly tokens: Token[];
}

export interface MarkupBlock extends BlockPlace {
  readonly kind: 'markup';
  readonly tokens: Token[];
}

/** `items` are complete with the list's own open and close tokens, so that each renders alone. */
export interface ListBlock extends BlockPlace {
  readonly kind: 'list';
  readonly isOrdered: boolean;
  readonly marker: string;
  readonly items: readonly ListItem[];
}

/** `headEnd` is the offset after the delimiter row, `head` the tokens of the whole head. */
export interface TableBlock extends BlockPlace {
  readonly kind: 'table';
  readonly headEnd: number;
  readonly head: Token[];
  readonly rows: readonly TableRow[];
}

export interface FenceBlock extends BlockPlace {
  readonly kind: 'fence';
  readonly language: string;
  readonly code: string;
  readonly opening: FenceOpening;
  readonly isClosed: boolean;
}

export type Block = MarkupBlock | ListBlock | TableBlock | FenceBlock;

/** How a fence began: what its closing line must look like, and where its code starts. */
export interface FenceOpening {
  readonly sign: '`' | '~';
  readonly length: number;
  readonly indent: number;
  /** Offset of the first code line in the parsed text; undefined while the opening line is incomplete. */
  readonly codeStart?: number;
}

export function splitBlocks(source: string, environment: MarkdownEnvironment): readonly Block[] {
  const lineStarts = findLineStarts(source);
  const place = (map: readonly [number, number]): BlockPlace => ({ start: lineStarts[map[0]] ?? source.length, end: lineStarts[map[1]] ?? source.length });
  return groupByNesting(parseMarkdown(source, environment)).map((tokens): Block => {
    const first = tokens[0] as Token;
    const { start, end } = place(first.map ?? [0, 0]);
    if (first.type === 'fence') {
      const text = source.slice(start, end);
      return { kind: 'fence', start, end, language: fenceLanguage(first.info), code: first.content, ...readFence(first, text, start) };
    }
    if (first.type === 'bullet_list_open' || first.type === 'ordered_list_open') {
      const close = tokens.at(-1) as Token;
      const items = groupByNesting(tokens.slice(1, -1)).map((itemTokens) => ({ ...place(itemTokens[0]?.map ?? [0, 0]), tokens: [first, ...itemTokens, close] }));
      return { kind: 'list', start, end, isOrdered: first.type === 'ordered_list_open', marker: first.markup, items };
    }
    if (first.type === 'table_open') {
      const [head = [], body = []] = groupByNesting(tokens.slice(1, -1));
      const rows = groupByNesting(body.slice(1, -1)).map((rowTokens) => ({ ...place(rowTokens[0]?.map ?? [0, 0]), tokens: rowTokens }));
      const firstLine = first.map?.[0] ?? 0;
      return { kind: 'table', start, end, headEnd: lineStarts[firstLine + 2] ?? source.length, head, rows };
    }
    return { kind: 'markup', start, end, tokens };
  });
}

/** True when `line` closes a fence; a line of signs still being written counts as not yet. */
export function closesFence(line: string, opening: Pick<FenceOpening, 'sign' | 'length'>): boolean {
  const match = /^ {0,3}(`+|~+)[ \t]*$/.exec(line);
  return match?.[1] !== undefined && match[1][0] === opening.sign && match[1].length >= opening.length;
}

/** Whether the items' own paragraphs are paragraphs (loose) or bare text (tight); undefined when there is none. */
export function isLoose(items: readonly ListItem[]): boolean | undefined {
  const hidden = items.flatMap((item) => ownParagraphs(item).map((token) => token.hidden));
  return hidden.length === 0 ? undefined : hidden.includes(false);
}

/** Makes an item of a tight list one of a loose list. */
export function loosen(item: ListItem): void {
  for (const token of ownParagraphs(item)) {
    token.hidden = false;
  }
}

function ownParagraphs({ tokens }: ListItem): readonly Token[] {
  const level = (tokens[0]?.level ?? 0) + 2;
  return tokens.filter((token) => token.level === level && (token.type === 'paragraph_open' || token.type === 'paragraph_close'));
}

function readFence(token: Token, text: string, start: number): { readonly opening: FenceOpening; readonly isClosed: boolean } {
  const firstBreak = text.indexOf('\n');
  const sign = token.markup.startsWith('~') ? '~' : '`';
  const opening: FenceOpening = { sign, length: token.markup.length, indent: /^ */.exec(text)?.[0].length ?? 0, codeStart: firstBreak === -1 ? undefined : start + firstBreak + 1 };
  const lastLine = text.trimEnd().split('\n').at(-1) ?? '';
  return { opening, isClosed: firstBreak !== -1 && text.trimEnd().includes('\n') && closesFence(lastLine, opening) };
}

/** Splits tokens where the nesting returns to that of the first. */
function groupByNesting(tokens: readonly Token[]): Token[][] {
  const groups: Token[][] = [];
  let group: Token[] = [];
  let depth = 0;
  for (const token of tokens) {
    group.push(token);
    depth += token.nesting;
    if (depth === 0) {
      groups.push(group);
      group = [];
    }
  }
  return groups;
}

/** Offset of each line, and the text's length as the line after the last. */
function findLineStarts(source: string): readonly number[] {
  const starts = [0];
  for (let at = source.indexOf('\n'); at !== -1; at = source.indexOf('\n', at + 1)) {
    starts.push(at + 1);
  }
  if (starts.at(-1) !== source.length) {
    starts.push(source.length);
  }
  return starts;
}
