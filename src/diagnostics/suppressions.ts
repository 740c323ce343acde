/** `# noqa: GLM101`, `# glm: ignore`, `# glm: ignore[GLM101]`, `# glm: ignore-file`. */
import type { LineIndex } from './lineIndex';
import type { CommentSpan } from './syntax/concrete';

const noqa = /#\s*noqa(?::\s*([A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*))?/i;
const ignore = /#\s*glm:\s*ignore(-file)?(?:\[([^\]]*)\])?/i;

/** Codes, or undefined for all of them. */
type Codes = ReadonlySet<string> | undefined;

export class Suppressions {
  private readonly byLine = new Map<number, Codes[]>();
  private wholeFile: Codes[] = [];

  constructor(text: string, comments: readonly CommentSpan[], lines: LineIndex) {
    for (const comment of comments) {
      const written = text.slice(comment.start, comment.end);
      const { line, column } = lines.positionAt(comment.start);
      const own = ignore.exec(written);
      if (own) {
        const codes = codesOf(own[2]);
        if (own[1]) {
          this.wholeFile.push(codes);
        } else {
          this.add(line, codes);
          // Alone on its line it speaks of the next one.
          if (text.slice(comment.start - column, comment.start).trim() === '') {
            this.add(line + 1, codes);
          }
        }
        continue;
      }
      const flake = noqa.exec(written);
      if (flake) {
        this.add(line, codesOf(flake[1]));
      }
    }
  }

  /** True when a comment on one of these lines silences the rule. */
  covers(code: string, firstLine: number, lastLine: number): boolean {
    if (this.wholeFile.some((codes) => allows(codes, code))) {
      return true;
    }
    for (let line = firstLine; line <= lastLine; line++) {
      if (this.byLine.get(line)?.some((codes) => allows(codes, code))) {
        return true;
      }
    }
    return false;
  }

  private add(line: number, codes: Codes): void {
    this.byLine.set(line, [...(this.byLine.get(line) ?? []), codes]);
  }
}

function codesOf(list: string | undefined): Codes {
  return list === undefined ? undefined : new Set(list.toUpperCase().split(/[,\s]+/).filter(Boolean));
}

function allows(codes: Codes, code: string): boolean {
  return codes === undefined || codes.has(code);
}
