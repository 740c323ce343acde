/**
 * Bold, italics and code that a growing text has opened but not closed yet, closed for display: else every emphasised word
 * would first show its signs, and every link its address. Pure, and only about the last line.
 */

/** What may stand in front of an opening sign. A letter or digit may not: `5*x` is no emphasis. */
const mayPrecedeOpening = /[\s([{"'“„«—–:,;|]/;
/** A sign that has just begun behind a word: shown once something follows it. */
const begunSign = /(?<=\p{L}.*\s)(?:\*{1,3}|`+)$/u;

/** A link or an image whose address has begun and not ended; group 1 is its text. */
const begunAddress = /(?<!\\)!?\[([^[\]]+)\]\((?:[^()\s]|\([^()\s]*\))*(?:\([^()\s]*|\s+(?:["'][^"']*["']?)?)?$/;

/** @returns `text` with its last line's open marks closed and a link without its end as its text, or as it is where nothing is open or its end is code. */
export function closeMarks(text: string): string {
  const lineStart = text.lastIndexOf('\n') + 1;
  const line = text.slice(lineStart);
  if (!/[*`]|\]\(/.test(line) || /^\s*(?:`{3}|~{3})|^ {4}/.test(line) || isInFence(text.slice(0, lineStart))) {
    return text;
  }
  const shown = withoutAddress(line).replace(begunSign, '');
  const closing = closingMarks(shown.trimEnd());
  return shown === line && closing === '' ? text : `${text.slice(0, lineStart)}${shown.trimEnd()}${closing}`;
}

function withoutAddress(line: string): string {
  const begun = begunAddress.exec(line);
  return begun === null || closingMarks(`${line.slice(0, begun.index)}x`).includes('`') ? line : `${line.slice(0, begun.index)}${begun[1]}`;
}

/** What closes the marks that are open at the end of `line`, the inner first. */
function closingMarks(line: string): string {
  const open: string[] = [];
  for (const { 0: run, index } of line.matchAll(/\\.|\*+|`+/g)) {
    const end = index + run.length;
    if (open.at(-1)?.startsWith('`') === true) {
      // In code nothing counts but the run that ends it.
      if (run === open.at(-1)) {
        open.pop();
      }
    } else if (run.startsWith('\\')) {
      continue;
    } else if (run === open.at(-1) && /\S/.test(line[index - 1] ?? ' ')) {
      open.pop();
    } else if (end === line.length) {
      // The beginning of what closes the mark before it.
      const wanted = open.pop() ?? '';
      return (wanted.startsWith(run) ? wanted.slice(run.length) : wanted) + open.reverse().join('');
    } else if (run.startsWith('`') || (run.length <= 3 && /\S/.test(line[end] ?? ' ') && (index === 0 || mayPrecedeOpening.test(line[index - 1] ?? '')))) {
      open.push(run);
    }
  }
  return open.reverse().join('');
}

/** Whether a fence is open at the end of `text`. */
function isInFence(text: string): boolean {
  return (text.match(/^\s*(?:[-*+]\s+|\d+[.)]\s+)?(?:`{3}|~{3})/gm)?.length ?? 0) % 2 === 1;
}
