/** A device map as text in a file: JSON, comments allowed. Pure. */

import { findNodeAtLocation, getNodeValue, parseTree, printParseErrorCode, type Node, type ParseError } from 'jsonc-parser';

/** Whether a value of `glm.deviceMap` or `--device-map` names a file. */
export function namesMapFile(value: string): boolean {
  return /\.jsonc?$/i.test(value.trim());
}

/** @throws {SyntaxError} in words that follow "holds ". */
export function parseDeviceMapText(text: string): Readonly<Record<string, string | number>> {
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, { allowTrailingComma: true });
  const [first] = errors;
  if (root?.type !== 'object' || first !== undefined) {
    throw new SyntaxError(first === undefined ? 'no JSON object' : `no valid JSON (${printParseErrorCode(first.error)} in line ${lineAt(text, first.offset) + 1})`);
  }
  const map: Record<string, string | number> = {};
  for (const [name, value] of entries(root)) {
    const target: unknown = getNodeValue(value);
    if (typeof target !== 'string' && typeof target !== 'number') {
      throw new SyntaxError(`for "${name}" neither a device name nor a number (line ${lineAt(text, value.offset) + 1})`);
    }
    // JSON would keep the last one without a word.
    if (Object.hasOwn(map, name)) {
      throw new SyntaxError(`"${name}" twice (line ${lineAt(text, value.offset) + 1})`);
    }
    map[name] = target;
  }
  return map;
}

/** 0-based. */
export interface EntryPlace {
  readonly line: number;
  readonly column: number;
  readonly length: number;
}

/** Where a map's text names a device for the first time: `"model.layers.7": "cpu"`. Undefined when it does not. */
export function findEntryOn(text: string, device: string): EntryPlace | undefined {
  const root = parseTree(text, [], { allowTrailingComma: true });
  const found = root?.type === 'object' ? (root.children ?? []).find((property) => property.children?.[1] !== undefined && String(getNodeValue(property.children[1])) === device) : undefined;
  return found === undefined ? undefined : placeOf(text, found);
}

/** Where an object's text holds a key at its top level, or in the object under `section` there; a key in a comment or deeper down is none. */
export function findKey(text: string, key: string, section?: string): EntryPlace | undefined {
  const root = parseTree(text, [], { allowTrailingComma: true });
  const object = section === undefined || root === undefined ? root : findNodeAtLocation(root, [section]);
  const name = object?.type === 'object' ? (object.children ?? []).find((property) => property.children?.[0]?.value === key)?.children?.[0] : undefined;
  return name === undefined ? undefined : placeOf(text, name);
}

function entries(root: Node): readonly (readonly [string, Node])[] {
  return (root.children ?? []).flatMap(({ children: [name, value] = [] }) => (name === undefined || value === undefined ? [] : [[String(name.value), value] as const]));
}

function placeOf(text: string, { offset, length }: Pick<Node, 'offset' | 'length'>): EntryPlace {
  const line = lineAt(text, offset);
  const start = text.lastIndexOf('\n', offset - 1) + 1;
  const firstLineEnd = text.indexOf('\n', offset);
  return { line, column: offset - start, length: firstLineEnd < 0 ? length : Math.min(length, firstLineEnd - offset) };
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length - 1;
}
