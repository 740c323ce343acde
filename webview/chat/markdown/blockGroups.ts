/**
 * The blocks of an answer, in groups of a fixed number.
 *
 * A full group takes part in layout only while it is in sight, so that a frame of a growing answer lays out the last group
 * and walks over few siblings, however long the answer is. Groups hold no meaning: assistive technology does not see them.
 */

export const numBlocksPerGroup = 16;

/** For the height of a group that was never laid out: a line of text, and how much of the source fits into one. */
const linePx = 20;
const charactersPerLine = 48;

export class BlockGroups {
  private group: HTMLElement | undefined;
  /** Offset in the source where the group begins. */
  private groupStart = 0;

  /** @param container  Holds the groups and nothing else. */
  constructor(private readonly container: HTMLElement) {}

  clear(): void {
    this.container.replaceChildren();
    this.group = undefined;
    this.groupStart = 0;
  }

  /**
   * Adds a block that stays. What was shown for a while only must be gone by now, else groups would depend on how the text came.
   *
   * @param start   Offset of the block in `source`.
   */
  append(block: HTMLElement, source: string, start: number): void {
    if (this.group !== undefined && this.group.childElementCount >= numBlocksPerGroup) {
      this.group.classList.add('full');
      this.group.style.setProperty('contain-intrinsic-block-size', `auto ${estimateHeightPx(source.slice(this.groupStart, start))}px`);
      this.group = undefined;
    }
    if (this.group === undefined) {
      this.groupStart = start;
    }
    this.openGroup().append(block);
  }

  /** Shows a block behind the others that its owner will remove again. */
  show(block: HTMLElement): void {
    this.openGroup().append(block);
  }

  private openGroup(): HTMLElement {
    if (this.group === undefined) {
      this.group = document.createElement('div');
      this.group.className = 'group';
      this.container.append(this.group);
    }
    return this.group;
  }
}

function estimateHeightPx(source: string): number {
  return source.split('\n').reduce((sum, line) => sum + Math.ceil(line.length / charactersPerLine) * linePx, 0);
}
