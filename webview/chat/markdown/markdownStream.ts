/**
 * Renders Markdown that grows at its end. Blocks that can no longer change are rendered once and never touched again;
 * an open code fence only gets text appended; what remains, the last block or list item, is rendered anew.
 */

import type { Token } from 'markdown-it';
import type { CodeBlock } from './codeBlock';
import { renderTable, renderTokens, type MarkdownEnvironment } from './markdownParser';
import { sanitizeHtml } from './sanitizeHtml';
import { closesFence, splitBlocks, type Block, type FenceOpening } from './splitBlocks';

type FenceBlock = Extract<Block, { kind: 'fence' }>;
type ListBlock = Extract<Block, { kind: 'list' }>;
type TableBlock = Extract<Block, { kind: 'table' }>;

interface OpenFence {
  readonly element: CodeBlock;
  readonly opening: FenceOpening;
  /** Offset in the source of the first line that has not been given to the element. */
  nextLine: number;
  /** Characters of that unfinished line which the element already shows. */
  numShownOfLine: number;
}

interface OpenList {
  readonly element: HTMLElement;
  readonly isOrdered: boolean;
  readonly marker: string;
}

interface OpenTable {
  readonly body: HTMLElement;
  /** Head and delimiter row: what the parser needs in front of later rows to see a table. */
  readonly headSource: string;
}

/** A block whose rendering and layout take longer than this is rendered less often, so that few frames pay for it. */
const cheapRenderMs = 6;
const restPerRenderMs = 30;
/** From this many blocks on, those out of sight are not laid out; shorter texts keep their exact height instead. */
const numBlocksOfLongText = 40;
/** A line that starts a new block counts as certain once it is complete or this long: `-` may yet become `---`. */
const certainLineLength = 24;

export class MarkdownStream {
  private source = '';
  /** Everything before this offset is final. */
  private stableEnd = 0;
  private environment: MarkdownEnvironment = {};
  private openFence: OpenFence | undefined;
  private openList: OpenList | undefined;
  private openTable: OpenTable | undefined;
  private provisional: ChildNode[] = [];
  private restUntilMs = 0;

  /**
   * @param container  Filled by this object alone.
   * @param now        A monotonic clock in milliseconds.
   */
  constructor(
    private readonly container: HTMLElement,
    private readonly now: () => number,
  ) {}

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
    if (!isFinished && startMs < this.restUntilMs) {
      return false;
    }
    this.renderTail(isFinished);
    this.container.classList.toggle('long', this.container.childElementCount >= numBlocksOfLongText);
    const costMs = this.measureLayout(startMs);
    this.restUntilMs = costMs > cheapRenderMs ? startMs + costMs * restPerRenderMs : 0;
    if (this.openFence !== undefined) {
      this.growFence(this.openFence, isFinished);
    }
    return true;
  }

  private reset(): void {
    this.container.replaceChildren();
    this.stableEnd = 0;
    this.openFence = undefined;
    this.openList = undefined;
    this.openTable = undefined;
    this.provisional = [];
    this.restUntilMs = 0;
  }

  private renderTail(isFinished: boolean): void {
    for (const node of this.provisional) {
      node.remove();
    }
    this.provisional = [];
    if (this.openList?.element.childElementCount === 0) {
      // Its only item was provisional and may now be something else.
      this.openList.element.parentElement?.remove();
      this.openList = undefined;
    }
    const head = this.openTable?.headSource ?? '';
    const base = this.stableEnd - head.length;
    const tail = head + this.source.slice(this.stableEnd);
    const blocks = splitBlocks(tail, this.environment);
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
        this.place(this.renderMarkup(block.kind === 'markup' ? block.tokens : [], isFinal), isFinal);
        this.stableEnd = isFinal ? base + block.end : this.stableEnd;
      }
      if (!isFinal && block.kind !== 'fence') {
        // What follows an uncertain block is uncertain too; it is shown, but stays in the tail.
        for (const rest of blocks.slice(index + 1)) {
          this.place(this.renderMarkup(tokensOf(rest), false), false);
        }
        return;
      }
    }
  }

  /** Milliseconds since `startMs`, the layout of what was rendered included; the frame would do that layout anyway. */
  private measureLayout(startMs: number): number {
    void this.container.offsetHeight;
    return this.now() - startMs;
  }

  /** A block's first line is trusted once it cannot turn into something that belongs to the block before it. */
  private isCertain(lineStart: number): boolean {
    const lineEnd = this.source.indexOf('\n', lineStart);
    return lineEnd !== -1 || this.source.length - lineStart >= certainLineLength;
  }

  private place(nodes: readonly ChildNode[], isFinal: boolean): void {
    this.container.append(...nodes);
    if (!isFinal) {
      this.provisional.push(...nodes);
    }
  }

  private renderMarkup(tokens: Token[], isFinal: boolean): ChildNode[] {
    const fragment = sanitizeHtml(renderTokens(tokens, this.environment));
    if (isFinal) {
      replaceNestedFences(fragment);
    }
    const block = document.createElement('div');
    block.className = 'block';
    block.append(fragment);
    return [block];
  }

  private placeFence(block: FenceBlock, base: number, isFinal: boolean): void {
    const element = document.createElement('glm-code-block') as CodeBlock;
    element.language = block.language;
    element.className = 'block';
    this.container.append(element);
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
    const rendered = sanitizeHtml(renderTable(block.head, block.rows.map((row) => row.tokens), this.environment));
    const rows = [...rendered.querySelectorAll<HTMLElement>('tbody > tr')];
    if (this.openTable === undefined) {
      const holder = document.createElement('div');
      holder.className = 'block';
      const table = rendered.firstElementChild as HTMLElement;
      const body = table.querySelector('tbody') ?? table.appendChild(document.createElement('tbody'));
      body.replaceChildren();
      holder.append(table);
      this.container.append(holder);
      if (!isFinal && block.rows.length < 2) {
        // Before the second row has begun the head itself may still change.
        body.append(...rows);
        this.provisional.push(holder);
        return;
      }
      this.stableEnd = base + block.headEnd;
      this.openTable = { body, headSource: this.source.slice(base + block.start, base + block.headEnd) };
    }
    for (const [index, row] of block.rows.entries()) {
      const element = rows[index];
      const next = block.rows[index + 1];
      if (element === undefined) {
        continue;
      }
      this.openTable.body.append(element);
      if (isFinal || (next !== undefined && this.isCertain(base + next.start))) {
        this.stableEnd = base + row.end;
      } else {
        this.provisional.push(element);
      }
    }
    if (isFinal) {
      this.openTable = undefined;
      this.stableEnd = base + block.end;
    }
  }

  /** Items before the last are final and move into the growing list; the last one is shown provisionally. */
  private placeList(block: ListBlock, base: number, isFinal: boolean): void {
    const continues = this.openList !== undefined && this.openList.isOrdered === block.isOrdered && this.openList.marker === block.marker;
    if (!continues) {
      this.openList = undefined;
    }
    for (const [index, item] of block.items.entries()) {
      const next = block.items[index + 1];
      const isItemFinal = isFinal || (next !== undefined && this.isCertain(base + next.start));
      const fragment = sanitizeHtml(renderTokens(item.tokens, this.environment));
      if (isItemFinal) {
        replaceNestedFences(fragment);
      }
      const list = fragment.firstElementChild as HTMLElement;
      const entry = list.firstElementChild as HTMLElement;
      if (this.openList === undefined) {
        const holder = document.createElement('div');
        holder.className = 'list-block';
        holder.append(list);
        this.container.append(holder);
        this.openList = { element: list, isOrdered: block.isOrdered, marker: block.marker };
      } else {
        this.openList.element.append(entry);
      }
      if (isItemFinal) {
        this.stableEnd = base + item.end;
      } else {
        this.provisional.push(entry);
      }
    }
    if (isFinal) {
      this.openList = undefined;
      this.stableEnd = base + block.end;
    }
  }
}

/** Fences inside lists and quotes get their buttons and colours once they are final. */
function replaceNestedFences(fragment: DocumentFragment): void {
  for (const pre of fragment.querySelectorAll('pre.fence')) {
    const code = pre.querySelector('code');
    const element = document.createElement('glm-code-block') as CodeBlock;
    element.language = /^language-(.*)$/.exec(code?.className ?? '')?.[1] ?? '';
    element.appendCode(code?.textContent ?? '');
    element.finishCode();
    pre.replaceWith(element);
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
