/** A list that grows: finished items are rendered once and stay, the last one is shown until it is finished. */

import { renderTokens, type MarkdownEnvironment } from './markdownParser';
import { replaceNestedFences } from './nestedFences';
import { sanitizeHtml } from './sanitizeHtml';
import { isLoose, loosen, splitBlocks, type ListBlock, type ListItem } from './splitBlocks';

export class GrowingList {
  /** The list's place among the blocks. */
  readonly holder = document.createElement('div');
  /** Items that stay. Counted here: the browser counts children anew after each change. */
  numFinished = 0;
  private list: Element | undefined;
  /** Whether finished items were rendered with paragraphs of their own, or without: one blank line anywhere makes a whole list loose. */
  private hasLoose = false;
  private hasTight = false;

  /**
   * @param kind   The list's first parse.
   * @param start  Offset of the list in the source.
   */
  constructor(
    private readonly kind: Pick<ListBlock, 'isOrdered' | 'marker'>,
    private readonly start: number,
  ) {
    this.holder.className = 'block';
    this.holder.dir = 'auto';
  }

  get isEmpty(): boolean {
    return this.list === undefined || this.list.firstElementChild === null;
  }

  /** True when `block`, parsed from where the finished items end, is more of this list. */
  isContinuedBy(block: ListBlock): boolean {
    return this.kind.isOrdered === block.isOrdered && this.kind.marker === block.marker;
  }

  /** Adds items. @returns Their elements, for removing them again when they were not final. */
  add(items: readonly ListItem[], areFinal: boolean, environment: MarkdownEnvironment): readonly Element[] {
    const looseness = isLoose(items);
    if (this.hasLoose) {
      items.forEach(loosen);
    }
    const fragment = renderItems(items, environment);
    if (areFinal) {
      replaceNestedFences(fragment);
      this.numFinished += items.length;
      this.hasTight ||= looseness === false && !this.hasLoose;
      this.hasLoose ||= looseness === true;
    }
    const list = fragment.firstElementChild as HTMLElement;
    const entries = [...list.children];
    if (this.list === undefined) {
      this.list = list;
      this.holder.append(list);
    } else {
      this.list.append(...entries);
    }
    return entries;
  }

  /**
   * The list has ended: where its items were not of the kind that the whole list turned out to be, it is rendered once more.
   *
   * @param source         From the beginning of the text.
   * @param end            Offset of the list's end in it.
   * @param areLastLoose   What the last parse, which is certain, says of its items: taken before {@link add}, which makes them like those before.
   */
  finish(source: string, end: number, areLastLoose: boolean | undefined, environment: MarkdownEnvironment): void {
    const listSource = source.slice(this.start, end).trimEnd();
    const isSurelyTight = !this.hasLoose && !/\n[ \t]*\n/.test(listSource);
    const isSurelyLoose = !this.hasTight && areLastLoose === true;
    if (isSurelyTight || isSurelyLoose) {
      return;
    }
    const whole = splitBlocks(listSource, environment)[0];
    if (whole?.kind !== 'list' || (isLoose(whole.items) === true ? !this.hasTight : !this.hasLoose)) {
      return;
    }
    const fragment = renderItems(whole.items, environment);
    replaceNestedFences(fragment);
    this.holder.replaceChildren(...fragment.children);
  }
}

/** The items in one list element. */
function renderItems(items: readonly ListItem[], environment: MarkdownEnvironment): DocumentFragment {
  const tokens = items.flatMap((item, index) => item.tokens.slice(index === 0 ? 0 : 1, index === items.length - 1 ? undefined : -1));
  return sanitizeHtml(renderTokens(tokens, environment));
}
