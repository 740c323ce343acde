/**
 * Renders Markdown that grows at its end. Blocks that can no longer change are rendered once and never touched again;
 * an open code fence only gets text appended; so does the last line while words are added to it; what remains, the last block
 * or list item, is rendered anew. Nothing here asks for a layout.
 *
 * However the text was cut, the end is the same page as if it had come at once.
 */

import type { Token } from 'markdown-it';
import { BlockGroups } from './blockGroups';
import { closeMarks } from './closeMarks';
import type { CodeBlock } from './codeBlock';
import { GrowingList } from './growingList';
import { GrowingTable } from './growingTable';
import { renderTokens, type MarkdownEnvironment } from './markdownParser';
import { replaceNestedFences } from './nestedFences';
import { PlainEnd } from './plainEnd';
import { sanitizeHtml } from './sanitizeHtml';
import { closesFence, isLoose, splitBlocks, type Block, type FenceBlock, type FenceOpening, type ListBlock, type TableBlock } from './splitBlocks';

interface OpenFence {
  readonly element: CodeBlock;
  readonly opening: FenceOpening;
  /** Offset in the source of the first line that has not been given to the element. */
  nextLine: number;
  /** Characters of that unfinished line which the element already shows. */
  numShownOfLine: number;
}

/** What grows beyond these sizes within one block costs more with each rendering, and may rest between two. */
const largeTailCharacters = 2000;
const numRowsOfLargeTable = 60;
const numItemsOfLargeList = 200;
/** A large block whose rendering and layout take longer than this rests for so many times as long, so that one frame in thirty pays for it. */
const cheapRenderMs = 4;
const restPerRenderMs = 60;
const shortestRestMs = 500;
const longestRestMs = 1500;
/** A layout reported later than this belongs to something else, such as the view becoming wider. */
const longestLayoutMs = 250;
/** A line that starts a new block counts as certain once it is complete or this long: `-` may yet become `---`. */
const certainLineLength = 24;

export class MarkdownStream {
  private source = '';
  /** Everything before this offset is final. */
  private stableEnd = 0;
  private environment: MarkdownEnvironment = {};
  private openFence: OpenFence | undefined;
  private openList: GrowingList | undefined;
  private openTable: GrowingTable | undefined;
  /** Shown, but rendered anew with the next parse. */
  private provisional: ChildNode[] = [];
  private plainEnd: PlainEnd | undefined;
  private restUntilMs = 0;
  /** When the last rendering of something large began, until its layout is known. */
  private unmeasuredSinceMs: number | undefined;
  private readonly groups: BlockGroups;

  /**
   * @param container  Filled by this object alone.
   * @param now        A monotonic clock in milliseconds.
   */
  constructor(
    container: HTMLElement,
    private readonly now: () => number,
  ) {
    this.groups = new BlockGroups(container);
  }

  /**
   * Shows `source`. A text that does not continue the last one replaces it.
   *
   * @param isFinished  No more will come: everything becomes final.
   * @returns           False when the newest text is not on screen yet because the last rendering was expensive; call again in a later frame.
   */
  update(source: string, isFinished: boolean): boolean {
    if (!source.startsWith(this.source)) {
      this.reset();
      this.environment = {};
    }
    this.source = source;
    if (isFinished && this.environment.references !== undefined) {
      // A definition may have come after its use: render once more, knowing them all.
      this.reset();
    }
    if (this.openFence !== undefined) {
      this.growFence(this.openFence, isFinished);
      if (this.openFence !== undefined) {
        return true;
      }
    }
    const startMs = this.now();
    const isLarge = this.isLarge();
    if (!isFinished && isLarge && startMs < this.restUntilMs) {
      return false;
    }
    if (isFinished || this.plainEnd?.grow(source) !== true) {
      this.renderTail(isFinished);
    }
    if (isLarge) {
      this.rest(startMs);
      this.unmeasuredSinceMs = startMs;
    }
    if (this.openFence !== undefined) {
      this.growFence(this.openFence, isFinished);
    }
    return true;
  }

  /** To be called when the layout of what was rendered is known; asking for it would make the browser lay out once more. */
  onLayout(): void {
    if (this.unmeasuredSinceMs !== undefined && this.now() - this.unmeasuredSinceMs < longestLayoutMs) {
      this.rest(this.unmeasuredSinceMs);
    }
    this.unmeasuredSinceMs = undefined;
  }

  private rest(startMs: number): void {
    const costMs = this.now() - startMs;
    this.restUntilMs = costMs > cheapRenderMs ? startMs + Math.min(longestRestMs, Math.max(shortestRestMs, costMs * restPerRenderMs)) : 0;
  }

  private isLarge(): boolean {
    return (
      this.source.length - this.stableEnd > largeTailCharacters ||
      (this.openTable?.numFinished ?? 0) > numRowsOfLargeTable ||
      (this.openList?.numFinished ?? 0) > numItemsOfLargeList
    );
  }

  private reset(): void {
    this.groups.clear();
    this.stableEnd = 0;
    this.openFence = undefined;
    this.openList = undefined;
    this.openTable = undefined;
    this.provisional = [];
    this.plainEnd = undefined;
    this.restUntilMs = 0;
    this.unmeasuredSinceMs = undefined;
  }

  private renderTail(isFinished: boolean): void {
    for (const node of this.provisional) {
      node.remove();
    }
    this.provisional = [];
    this.plainEnd = undefined;
    if (this.openList?.isEmpty === true) {
      // Its only item was provisional and may now be something else.
      this.openList.holder.remove();
      this.openList = undefined;
    }
    const head = this.openTable?.headSource ?? '';
    const base = this.stableEnd - head.length;
    const tail = head + this.source.slice(this.stableEnd);
    const blocks = splitBlocks(isFinished ? tail : closeMarks(tail), this.environment);
    for (const [index, block] of blocks.entries()) {
      const next = blocks[index + 1];
      const isFinal = isFinished || (next !== undefined && this.isCertain(base + next.start));
      if (block.kind !== 'table' || index > 0) {
        this.openTable = undefined;
      }
      if (block.kind === 'fence' && (isFinal || block.opening.codeStart !== undefined)) {
        this.openList = undefined;
        this.placeFence(block, base, isFinal);
        if (this.openFence !== undefined) {
          return;
        }
      } else if (block.kind === 'list') {
        this.placeList(block, base, isFinal);
      } else if (block.kind === 'table') {
        this.openList = undefined;
        this.placeTable(block, base, isFinal);
      } else {
        this.openList = undefined;
        this.placeMarkup(block.kind === 'markup' ? block.tokens : [], base + block.start, isFinal);
        this.stableEnd = isFinal ? base + block.end : this.stableEnd;
      }
      if (!isFinal && block.kind !== 'fence') {
        // What follows an uncertain block is uncertain too; it is shown, but stays in the tail.
        for (const rest of blocks.slice(index + 1)) {
          this.placeMarkup(tokensOf(rest), base + rest.start, false);
        }
        this.plainEnd = this.provisional.length === 1 ? PlainEnd.of(this.provisional[0], this.source) : undefined;
        return;
      }
    }
  }

  /** A block's first line is trusted once it cannot turn into something that belongs to the block before it. */
  private isCertain(lineStart: number): boolean {
    const lineEnd = this.source.indexOf('\n', lineStart);
    return lineEnd !== -1 || this.source.length - lineStart >= certainLineLength;
  }

  private placeMarkup(tokens: Token[], start: number, isFinal: boolean): void {
    const fragment = sanitizeHtml(renderTokens(tokens, this.environment));
    if (isFinal) {
      replaceNestedFences(fragment);
    }
    const block = document.createElement('div');
    block.className = 'block';
    block.dir = 'auto';
    block.append(fragment);
    if (isFinal) {
      this.groups.append(block, this.source, start);
    } else {
      this.groups.show(block);
      this.provisional.push(block);
    }
  }

  private placeFence(block: FenceBlock, base: number, isFinal: boolean): void {
    const element = document.createElement('glm-code-block') as CodeBlock;
    element.language = block.language;
    element.className = 'block';
    this.groups.append(element, this.source, base + block.start);
    if (isFinal || block.isClosed) {
      element.appendCode(block.code);
      element.finishCode();
      this.stableEnd = base + block.end;
    } else {
      const codeStart = base + (block.opening.codeStart ?? block.end);
      this.openFence = { element, opening: block.opening, nextLine: codeStart, numShownOfLine: 0 };
      this.stableEnd = codeStart;
    }
  }

  /** Gives the open fence what has arrived, line by line; closes it at its closing line. */
  private growFence(fence: OpenFence, isFinished: boolean): void {
    let addition = '';
    for (;;) {
      const lineEnd = this.source.indexOf('\n', fence.nextLine);
      const isWhole = lineEnd !== -1;
      const line = this.source.slice(fence.nextLine, isWhole ? lineEnd : undefined);
      if (closesFence(line, fence.opening) && (isWhole || isFinished)) {
        this.closeFence(fence, addition, isWhole ? lineEnd + 1 : this.source.length);
        return;
      }
      const shown = stripIndent(line, fence.opening.indent);
      if (!isWhole) {
        // A line that may yet become the closing one is held back.
        if (isFinished || !/^ {0,3}[`~]*\s*$/.test(line)) {
          addition += shown.slice(fence.numShownOfLine);
          fence.numShownOfLine = shown.length;
        }
        break;
      }
      addition += `${shown.slice(fence.numShownOfLine)}\n`;
      fence.nextLine = lineEnd + 1;
      fence.numShownOfLine = 0;
    }
    if (isFinished) {
      this.closeFence(fence, addition, this.source.length);
    } else if (addition !== '') {
      fence.element.appendCode(addition);
    }
  }

  private closeFence(fence: OpenFence, addition: string, end: number): void {
    fence.element.appendCode(addition);
    fence.element.finishCode();
    this.stableEnd = end;
    this.openFence = undefined;
  }

  /** Rows before the last are final and stay in the growing table; the last one is shown provisionally. */
  private placeTable(block: TableBlock, base: number, isFinal: boolean): void {
    const isNew = this.openTable === undefined;
    const table = this.openTable ?? new GrowingTable(this.source.slice(base + block.start, base + block.headEnd));
    const rows = table.add(block, this.environment);
    if (isNew && !isFinal && block.rows.length < 2) {
      // Before the second row has begun the head itself may still change.
      this.groups.show(table.holder);
      this.provisional.push(table.holder);
      return;
    }
    if (isNew) {
      this.groups.append(table.holder, this.source, base + block.start);
      this.stableEnd = base + block.headEnd;
    }
    for (const [index, row] of block.rows.entries()) {
      const element = rows[index];
      const next = block.rows[index + 1];
      if (isFinal || (next !== undefined && this.isCertain(base + next.start))) {
        this.stableEnd = base + row.end;
        table.numFinished += 1;
      } else if (element !== undefined) {
        this.provisional.push(element);
      }
    }
    this.openTable = isFinal ? undefined : table;
    this.stableEnd = isFinal ? base + block.end : this.stableEnd;
  }

  /** Items before the last are final and move into the growing list; the last one is shown provisionally. */
  private placeList(block: ListBlock, base: number, isFinal: boolean): void {
    if (this.openList?.isContinuedBy(block) !== true) {
      this.openList = new GrowingList(block, base + block.start);
      this.groups.append(this.openList.holder, this.source, base + block.start);
    }
    const list = this.openList;
    const areLoose = isLoose(block.items);
    const isCertain = (index: number): boolean => isFinal || (index + 1 < block.items.length && this.isCertain(base + (block.items[index + 1]?.start ?? 0)));
    const numFinal = block.items.filter((_, index) => isCertain(index)).length;
    const finalItems = block.items.slice(0, numFinal);
    if (finalItems.length > 0) {
      list.add(finalItems, true, this.environment);
      this.stableEnd = base + (finalItems.at(-1)?.end ?? 0);
    }
    if (numFinal < block.items.length) {
      this.provisional.push(...list.add(block.items.slice(numFinal), false, this.environment));
    }
    if (isFinal) {
      list.finish(this.source, base + block.end, areLoose, this.environment);
      this.openList = undefined;
      this.stableEnd = base + block.end;
    }
  }
}

function tokensOf(block: Block): Token[] {
  switch (block.kind) {
    case 'markup':
      return block.tokens;
    case 'list':
      return block.items.flatMap((item) => item.tokens);
    case 'table':
      return block.head;
    case 'fence':
      return [];
    default:
      return block satisfies never;
  }
}

function stripIndent(line: string, indent: number): string {
  let removed = 0;
  while (removed < indent && line[removed] === ' ') {
    removed += 1;
  }
  return line.slice(removed);
}
