/**
 * Writes template values as Python writes them: `True` and `None`, `1.0` and `1e-07`, lists and dicts in `repr`, JSON as `json.dumps` gives it.
 *
 * Values are those of @huggingface/jinja's interpreter, told apart by their `type`; its own spelling is JavaScript's.
 */

import { pythonFloatText, tryNumberText } from '../common/pythonNumbers';

/** A value inside the interpreter, as far as this file looks into it. */
export interface TemplateValue {
  readonly type: string;
  readonly value: unknown;
}

export interface JsonStyle {
  readonly ensureAscii: boolean;
  /** Spaces per level; undefined keeps everything on one line. */
  readonly indent?: number;
  readonly separators?: readonly [item: string, key: string];
  readonly sortKeys: boolean;
}

/** What `str(x)` gives, and what `{{ x }}` puts into the text. */
export function pythonStr(item: TemplateValue): string {
  return item.type === 'StringValue' ? String(item.value) : pythonRepr(item);
}

function pythonRepr(item: TemplateValue): string {
  const { type, value } = item;
  switch (type) {
    case 'StringValue':
      return quote(String(value));
    case 'NullValue':
      return 'None';
    case 'UndefinedValue':
      return '';
    case 'BooleanValue':
      return value === true ? 'True' : 'False';
    case 'FloatValue':
      return pythonFloatText(value as number);
    case 'IntegerValue':
      return String(value);
    case 'ArrayValue':
      return `[${(value as readonly TemplateValue[]).map(pythonRepr).join(', ')}]`;
    case 'TupleValue': {
      const items = (value as readonly TemplateValue[]).map(pythonRepr);
      return items.length === 1 ? `(${items[0]},)` : `(${items.join(', ')})`;
    }
    case 'ObjectValue': {
      const entries = [...(value as ReadonlyMap<string, TemplateValue>)];
      return numberTextOf(entries) ?? `{${entries.map(([key, entry]) => `${quote(key)}: ${pythonRepr(entry)}`).join(', ')}}`;
    }
    default:
      return String(value);
  }
}

/** What `json.dumps` gives. @throws {Error} for a value that JSON does not know. */
export function pythonJson(item: TemplateValue, style: JsonStyle, depth = 0): string {
  const { type, value } = item;
  switch (type) {
    case 'StringValue':
      return jsonString(String(value), style);
    case 'NullValue':
    case 'UndefinedValue':
      return 'null';
    case 'BooleanValue':
    case 'IntegerValue':
      return String(value);
    case 'FloatValue':
      return pythonFloatText(value as number);
    case 'ArrayValue':
    case 'TupleValue':
      return jsonContainer('[', ']', (value as readonly TemplateValue[]).map((entry) => pythonJson(entry, style, depth + 1)), style, depth);
    case 'ObjectValue': {
      const entries = [...(value as ReadonlyMap<string, TemplateValue>)];
      const sorted = style.sortKeys ? entries.sort(([a], [b]) => (a < b ? -1 : 1)) : entries;
      const [, keySeparator] = separatorsOf(style);
      return numberTextOf(entries) ?? jsonContainer('{', '}', sorted.map(([key, entry]) => `${jsonString(key, style)}${keySeparator}${pythonJson(entry, style, depth + 1)}`), style, depth);
    }
    default:
      throw new Error(`a ${type.replace('Value', '').toLowerCase()} cannot be written as JSON`);
  }
}

function jsonContainer(open: string, close: string, items: readonly string[], style: JsonStyle, depth: number): string {
  const [itemSeparator] = separatorsOf(style);
  if (style.indent === undefined || items.length === 0) {
    return `${open}${items.join(itemSeparator)}${close}`;
  }
  const line = (level: number): string => `\n${' '.repeat((style.indent ?? 0) * level)}`;
  return `${open}${line(depth + 1)}${items.join(`${itemSeparator}${line(depth + 1)}`)}${line(depth)}${close}`;
}

function separatorsOf({ separators, indent }: JsonStyle): readonly [item: string, key: string] {
  return separators ?? [indent === undefined ? ', ' : ',', ': '];
}

function jsonString(text: string, { ensureAscii }: JsonStyle): string {
  const json = JSON.stringify(text);
  return ensureAscii ? json.replace(/[\x7f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`) : json;
}

/** A number that keeps its spelling (see src/common/pythonNumbers.ts) has become an object with one key here. */
function numberTextOf(entries: readonly (readonly [string, TemplateValue])[]): string | undefined {
  return tryNumberText(entries.map(([key, { value }]) => [key, value] as const));
}

/** A text in quotes as `repr` writes it. */
function quote(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const named: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\', [mark]: `\\${mark}` };
  const body = text.replace(/['"\\]|(?! )[\p{C}\p{Z}]/gu, (char) => {
    if (char === "'" || char === '"') {
      return named[char] ?? char;
    }
    const code = char.codePointAt(0) ?? 0;
    return named[char] ?? (code < 0x100 ? `\\x${hex(code, 2)}` : code < 0x10000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`);
  });
  return `${mark}${body}${mark}`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}
