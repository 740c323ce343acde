/**
 * Renders Markdown that grows at its end. Blocks that can no longer change are rendered once and never touched again;
 * an open code fence only gets text appended; what remains, the last block or list item, is rendered anew.
 */

import type { Token } from 'markdown-it';
import type { CodeBlock } from './codeBlock';
import { renderTokens, type MarkdownEnvironment } from './markdownParser';
import { sanitizeHtml } from './sanitizeHtml';
import { closesFence, splitBlocks, type Block, type FenceOpening } from './splitBlocks';

type FenceBlock = Extract<Block, { kind: 'fence' }>;
type ListBlock = Extract<Block, { kind: 'list' }>;

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

/** A block that takes long to render (a table of a thousand rows) is rendered less often, so that it uses about a quarter of the time. */
const restPerRenderMs = 3;
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
    this.restUntilMs = startMs + (this.now() - startMs) * restPerRenderMs;
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
    const base = this.stableEnd;
    const tail = this.source.slice(base);
    const blocks = splitBlocks(tail, this.environment);
    for (const [index, block] of blocks.entries()) {
      const next = blocks[index + 1];
      const isFinal = isFinished || (next !== undefined && this.isCertain(base + next.start));
      if (block.kind === 'fence' && (isFinal || block.opening.codeStart !== undefined)) {
        this.openList = undefined;
        this.placeFence(block, base, isFinal);
        if (this.openFence !== undefined) {
          return;
        }
      } else if (block.kind === 'list') {
        this.placeList(block, base, isFinal);
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
