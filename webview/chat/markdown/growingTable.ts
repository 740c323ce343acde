/** A table that grows: finished rows stay, the last one is shown until it is finished. */

import { renderTable, type MarkdownEnvironment } from './markdownParser';
import { sanitizeHtml } from './sanitizeHtml';
import type { TableBlock } from './splitBlocks';

export class GrowingTable {
  /** The table's place among the blocks. */
  readonly holder = document.createElement('div');
  /** Rows that stay. */
  numFinished = 0;
  private body: Element | undefined;

  /** @param headSource  Head and delimiter row: what the parser needs in front of later rows to see a table. */
  constructor(readonly headSource: string) {
    // A class of its own instead of a selector that asks for the table: such a selector is evaluated anew with every change.
    this.holder.className = 'block table-block';
    this.holder.dir = 'auto';
    // Wider than the view it scrolls, also by keyboard.
    this.holder.tabIndex = 0;
    this.holder.role = 'region';
    this.holder.ariaLabel = 'Table';
  }

  /** Adds the rows of a parse of the head and what follows the finished rows. @returns Their elements. */
  add(block: TableBlock, environment: MarkdownEnvironment): readonly Element[] {
    const table = sanitizeHtml(renderTable(block.head, block.rows.map((row) => row.tokens), environment)).firstElementChild;
    const rows = [...(table?.querySelectorAll('tbody > tr') ?? [])];
    if (this.body === undefined && table !== null && table !== undefined) {
      this.holder.append(table);
      this.body = table.querySelector('tbody') ?? table.appendChild(document.createElement('tbody'));
    } else {
      this.body?.append(...rows);
    }
    return rows;
  }
}
