/** Offsets to lines and back. Lines end in LF, CRLF or CR, as editors count them. */
import type { Position } from './finding';

export class LineIndex {
  private readonly starts: number[] = [0];

  constructor(readonly text: string) {
    for (let offset = 0; offset < text.length; offset++) {
      const code = text.charCodeAt(offset);
      if (code === 10 || (code === 13 && text.charCodeAt(offset + 1) !== 10)) {
        this.starts.push(offset + 1);
      }
    }
  }

  get numLines(): number {
    return this.starts.length;
  }

  /** Offset of the first character of a line. */
  startOf(line: number): number {
    return this.starts[line] ?? this.text.length;
  }

  positionAt(offset: number): Position {
    let low = 0;
    let high = this.starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.starts[middle] ?? 0) <= offset) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return { line: low, column: offset - (this.starts[low] ?? 0) };
  }
}
