/**
 * The lines of a code block as elements: in pieces of a fixed number of lines, so that a growing block lays out its last piece only,
 * and pieces out of sight none at all. Text can be taken back to the last mark and written again, coloured.
 */

export const linesPerPiece = 48;

interface Place {
  readonly piece: HTMLElement | undefined;
  readonly numChildren: number;
  /** Length of the piece's last child when that is text. */
  readonly textLength: number;
  readonly numLines: number;
  readonly owesBreak: boolean;
}

/** The highlighter writes these and no others. */
const entities: Readonly<Record<string, string>> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#x27;': "'" };

export class CodeLines {
  private piece: HTMLElement | undefined;
  private numLines = 0;
  /** A line break is drawn only when something follows it, and between two pieces not at all. */
  private owesBreak = false;
  /** Spans around what is written next, the outer first; their elements are made when something is written into them. */
  private open: { readonly className: string; element?: HTMLElement }[] = [];
  private marked: Place = { piece: undefined, numChildren: 0, textLength: 0, numLines: 0, owesBreak: false };

  /** @param element  Filled by this object alone. */
  constructor(private readonly element: HTMLElement) {}

  writeText(text: string): void {
    let start = 0;
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', start)) {
      this.writeInLine(text.slice(start, at));
      this.writeBreak();
      start = at + 1;
    }
    this.writeInLine(text.slice(start));
  }

  /** Writes what the highlighter returned: spans with a class, and text with five entities. Nothing else can become an element. */
  writeHighlighted(htmlText: string): void {
    for (const [part, className] of htmlText.matchAll(/<span class="([\w -]*)">|<\/span>|[^<]+|</g)) {
      if (className !== undefined) {
        this.open.push({ className });
      } else if (part === '</span>') {
        this.open.pop();
      } else {
        this.writeText(part.replaceAll(/&(?:amp|lt|gt|quot|#x27);/g, (entity) => entities[entity] ?? entity));
      }
    }
  }

  /** What has been written so far stays. */
  mark(): void {
    this.marked = {
      piece: this.piece,
      numChildren: this.piece?.childNodes.length ?? 0,
      textLength: this.piece?.lastChild instanceof Text ? this.piece.lastChild.length : 0,
      numLines: this.numLines,
      owesBreak: this.owesBreak,
    };
    // Only what stays may drop out of the layout: changing that costs another pass.
    for (let piece = this.piece?.previousElementSibling ?? null; piece !== null && !piece.classList.contains('full'); piece = piece.previousElementSibling) {
      piece.classList.add('full');
    }
  }

  /** Takes back what was written since the last mark. */
  returnToMark(): void {
    const { piece, numChildren, textLength, numLines, owesBreak } = this.marked;
    while (this.element.lastChild !== null && this.element.lastChild !== piece) {
      this.element.lastChild.remove();
    }
    if (piece !== undefined) {
      while (piece.childNodes.length > numChildren) {
        piece.lastChild?.remove();
      }
      if (piece.lastChild instanceof Text && piece.lastChild.length > textLength) {
        piece.lastChild.deleteData(textLength, piece.lastChild.length - textLength);
      }
    }
    this.piece = piece;
    this.numLines = numLines;
    this.owesBreak = owesBreak;
    this.open = [];
  }

  private writeBreak(): void {
    this.payBreak();
    this.owesBreak = true;
  }

  private payBreak(): void {
    if (!this.owesBreak) {
      return;
    }
    this.owesBreak = false;
    this.numLines += 1;
    if (this.numLines === linesPerPiece) {
      this.numLines = 0;
      this.beginPiece();
    } else {
      this.append('\n');
    }
  }

  private writeInLine(text: string): void {
    if (text !== '') {
      this.payBreak();
      this.append(text);
    }
  }

  private append(text: string): void {
    let parent = this.piece ?? this.beginPiece();
    for (const span of this.open) {
      if (span.element === undefined) {
        span.element = document.createElement('span');
        span.element.className = span.className;
        parent.append(span.element);
      }
      parent = span.element;
    }
    if (parent.lastChild instanceof Text) {
      parent.lastChild.appendData(text);
    } else {
      parent.append(text);
    }
  }

  /** Spans that are open go on in the new piece. */
  private beginPiece(): HTMLElement {
    this.piece = document.createElement('span');
    this.piece.className = 'piece';
    this.element.append(this.piece);
    this.open = this.open.map(({ className }) => ({ className }));
    return this.piece;
  }
}
