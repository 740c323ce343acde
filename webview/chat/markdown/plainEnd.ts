/**
 * The end of a growing text where words can be added without parsing again.
 *
 * Most of what a model writes are letters and spaces inside a line: they change nothing in front of them,
 * so they go straight into the text node that shows the end. Anything that Markdown may read as a sign asks for a parse.
 */

/** Characters that may change how the line before them reads. */
const signs = /[\n\r\t\0*_`~[\]|\\);>:/@]/;
/** Markers that may begin a line, and then a letter: no later character turns such a line into another kind of block. */
const beginsWithWord = /^[ \t]*(?:(?:[-*+>]|\d{1,9}[.)]|#{1,6})[ \t]+)*\p{L}/u;
/** How much of the source's end is compared with the text on screen. */
const numCompared = 16;
/** A text node longer than this is followed by another: each addition costs the browser as much as the node is long. */
const longTextNode = 512;

export class PlainEnd {
  private constructor(
    private textNode: Text,
    /** Length of the source that has been seen, and of that which is shown: spaces at the end are not, until something follows. */
    private length: number,
    private shownLength: number,
  ) {}

  /** The end of `source`, shown as the last text in `node`; undefined where only a parse can tell what the next character means. */
  static of(node: Node | undefined, source: string): PlainEnd | undefined {
    const textNode = node === undefined ? undefined : lastTextIn(node);
    if (textNode === undefined || textNode.parentElement?.closest('a, code, pre') !== null) {
      return undefined;
    }
    const line = source.slice(source.lastIndexOf('\n') + 1);
    const lastWord = /\S*$/.exec(line)?.[0] ?? '';
    if (!beginsWithWord.test(line) || line.includes('|') || /[:/@]/.test(lastWord) || signs.test(source.slice(-1))) {
      return undefined;
    }
    const shownLength = trimmedLength(source);
    const shownText = textNode.data.trimEnd();
    const end = source.slice(Math.max(shownLength - numCompared, source.length - line.length), shownLength).trimStart();
    const compared = Math.min(end.length, shownText.length);
    if (compared === 0 || shownText.slice(-compared) !== end.slice(-compared)) {
      return undefined;
    }
    if (shownText !== textNode.data) {
      textNode.data = shownText;
    }
    return new PlainEnd(textNode, source.length, shownLength);
  }

  /** Shows what `source` has more than before. @returns False when that takes a parse; nothing has changed then. */
  grow(source: string): boolean {
    if (signs.test(source.slice(this.length))) {
      return false;
    }
    const shownLength = trimmedLength(source);
    if (shownLength > this.shownLength) {
      if (this.textNode.length > longTextNode) {
        const next = document.createTextNode('');
        this.textNode.after(next);
        this.textNode = next;
      }
      this.textNode.appendData(source.slice(this.shownLength, shownLength));
      this.shownLength = shownLength;
    }
    this.length = source.length;
    return true;
  }
}

/** The last text below `node` that is more than white space. */
function lastTextIn(node: Node): Text | undefined {
  for (let child = node.lastChild; child !== null; child = child.previousSibling) {
    if (child instanceof Text && child.data.trim() !== '') {
      return child;
    }
    const found = lastTextIn(child);
    if (found !== undefined) {
      return found;
    }
    if (child instanceof Element) {
      // An element without text, such as a rule or a line break, is itself the end.
      return undefined;
    }
  }
  return undefined;
}

function trimmedLength(source: string): number {
  let length = source.length;
  while (length > 0 && /\s/.test(source[length - 1] ?? '')) {
    length -= 1;
  }
  return length;
}
