/**
 * JSON for files that nobody vouches for: depth and duplicate keys are checked on the text, before JSON.parse builds anything.
 *
 * JSON.parse alone keeps the last of two equal keys, so two readers could see two different tensors under one name.
 */

/** Why a text was refused. `offset` counts UTF-16 units. */
export class StrictJsonError extends Error {
  constructor(
    readonly kind: 'syntax' | 'too-deep' | 'duplicate-key',
    message: string,
    readonly offset: number,
  ) {
    super(message);
  }
}

/**
 * Parses `text`.
 * @param maxDepth  Deepest nesting of objects and arrays allowed; 1 is a flat object.
 * @throws {StrictJsonError}
 */
export function parseStrictJson(text: string, maxDepth: number): unknown {
  checkStructure(text, maxDepth);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new StrictJsonError('syntax', error instanceof Error ? error.message : String(error), 0);
  }
}

/** Walks the text once. Only strings, brackets and colons matter here; JSON.parse judges the rest of the grammar. */
function checkStructure(text: string, maxDepth: number): void {
  /** One entry per open bracket: the keys seen in an object, undefined for an array. */
  const open: (Set<string> | undefined)[] = [];
  let lastString: { readonly start: number; readonly end: number } | undefined;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22: {
        const end = endOfString(text, i);
        lastString = { start: i, end };
        i = end - 1;
        break;
      }
      case 0x3a: {
        const keys = open.at(-1);
        if (keys !== undefined && lastString !== undefined) {
          const key = decodeKey(text, lastString.start, lastString.end);
          if (keys.has(key)) {
            throw new StrictJsonError('duplicate-key', `the key ${JSON.stringify(key.slice(0, 200))} stands twice in one object`, lastString.start);
          }
          keys.add(key);
        }
        break;
      }
      case 0x7b:
      case 0x5b:
        open.push(text.charCodeAt(i) === 0x7b ? new Set() : undefined);
        if (open.length > maxDepth) {
          throw new StrictJsonError('too-deep', `nesting is deeper than ${maxDepth} levels`, i);
        }
        break;
      case 0x7d:
      case 0x5d:
        open.pop();
        break;
      default:
    }
  }
}

function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x5c) {
      i++;
    } else if (c === 0x22) {
      return i + 1;
    }
  }
  throw new StrictJsonError('syntax', 'a string is not closed', start);
}

function decodeKey(text: string, start: number, end: number): string {
  const raw = text.slice(start, end);
  if (!raw.includes('\\')) {
    return raw.slice(1, -1);
  }
  try {
    return JSON.parse(raw) as string;
  } catch {
    throw new StrictJsonError('syntax', 'a key has a bad escape', start);
  }
}
