/**
 * Makes templates see Python where @huggingface/jinja 0.5 differs from it.
 *
 * There, `strip`, `lstrip` and `rstrip` ignore their argument (GLM templates write `.lstrip('\n')`) and trim JavaScript's white space, some
 * methods are missing, and values are written as JavaScript writes them (`true`, `1` for `1.0`). So each `x.method(args)` of the table, the
 * filters of the same meaning, and each place where a value becomes text are rewritten in the parsed template into calls of functions that are
 * passed in as variables. The template's text is never touched.
 */

import type { Template } from '@huggingface/jinja';
import { pythonJson, pythonStr, type JsonStyle, type TemplateValue } from './pythonText';

type Node = { type: string } & Record<string, unknown>;

/** White space to Python's str.isspace; JavaScript's differs at U+001C–U+001F, U+0085 and U+FEFF. */
const pythonSpace = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

const methods: Readonly<Record<string, (text: string, ...args: unknown[]) => unknown>> = {
  strip: (text, chars) => trimEnds(text, chars, true, true),
  lstrip: (text, chars) => trimEnds(text, chars, true, false),
  rstrip: (text, chars) => trimEnds(text, chars, false, true),
  removeprefix: (text, prefix) => (text.startsWith(String(prefix)) ? text.slice(String(prefix).length) : text),
  removesuffix: (text, suffix) => (String(suffix) !== '' && text.endsWith(String(suffix)) ? text.slice(0, -String(suffix).length) : text),
  rsplit: (text, separator, limit) => splitFromRight(text, separator, limit),
  find: (text, part) => text.indexOf(String(part)),
  capitalize: (text) => text.slice(0, 1).toUpperCase() + text.slice(1).toLowerCase(),
  splitlines: (text) => text.split(/\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/).filter((line, index, lines) => line !== '' || index < lines.length - 1),
  join: (text, items) => (items as readonly TemplateValue[]).map(pythonStr).join(text),
  isdigit: (text) => /^\p{Nd}+$/u.test(text),
};

/** Filters that do what a method of the table does. */
const methodOfFilter: Readonly<Record<string, string>> = { trim: 'strip', capitalize: 'capitalize' };

/** Functions over whole values. Arguments come in lists, since the interpreter takes a lone argument out of its value and its type is lost. */
const valueFunctions: Readonly<Record<string, (items: readonly TemplateValue[], ...options: readonly unknown[]) => string>> = {
  __python_str: (items) => items.map(pythonStr).join(''),
  __python_json: ([item], ...options) => pythonJson(item as TemplateValue, jsonStyle(options)),
};

const variableOf = (method: string): string => `__python_str_${method}`;

/** Variables to render with. */
export const pythonMethodVariables: Readonly<Record<string, unknown>> = {
  ...valueFunctions,
  ...Object.fromEntries(
    Object.entries(methods).map(([method, apply]) => [
      variableOf(method),
      (text: unknown, ...args: unknown[]): unknown => {
        if (typeof text !== 'string') {
          throw new Error(`only text has a method ${method}(), got ${text === null || text === undefined ? 'none' : typeof text}`);
        }
        return apply(text, ...args);
      },
    ]),
  ),
};

/** Rewrites the calls in place. */
export function usePythonMethods(template: Template): void {
  visit(template.parsed as unknown as Node);
}

function visit(value: unknown): void {
  if (Array.isArray(value)) {
    value.forEach(visit);
  } else if (value instanceof Map) {
    for (const [key, item] of value) {
      visit(key);
      visit(item);
    }
  } else if (isNode(value)) {
    rewrite(value);
    Object.values(value).forEach(visit);
    for (const key of blockKeys) {
      const statements = value[key];
      if (Array.isArray(statements)) {
        value[key] = (statements as Node[]).map((statement) => (writtenTypes.has(statement.type) ? call('__python_str', [listOf(statement)]) : statement));
      }
    }
  }
}

/** Where statements stand whose values become text. */
const blockKeys = ['body', 'alternate', 'defaultBlock'];

/** Expressions that stand for themselves in such a place: `{{ … }}`. Text between them is a StringLiteral and left alone. */
const writtenTypes: ReadonlySet<string> = new Set(['Identifier', 'MemberExpression', 'CallExpression', 'FilterExpression', 'BinaryExpression', 'UnaryExpression', 'TestExpression', 'SelectExpression', 'Ternary', 'SliceExpression', 'IntegerLiteral', 'FloatLiteral', 'ArrayLiteral', 'TupleLiteral', 'ObjectLiteral']);

function rewrite(node: Node): void {
  if (node.type === 'CallExpression' && isNode(node.callee) && node.callee.type === 'MemberExpression' && node.callee.computed === false) {
    const { object, property } = node.callee as unknown as { object: Node; property: Node };
    if (property.type === 'Identifier' && Object.hasOwn(methods, property.value as string)) {
      become(node, call(variableOf(property.value as string), [object, ...(node.args as Node[])]));
    }
  } else if (node.type === 'FilterExpression' && isNode(node.filter)) {
    const { operand, filter } = node as unknown as { operand: Node; filter: Node };
    const name = (filter.type === 'CallExpression' ? (filter.callee as Node) : filter).value as string;
    const args = filter.type === 'CallExpression' ? (filter.args as Node[]) : [];
    if (name === 'tojson') {
      become(node, call('__python_json', [listOf(operand), ...args]));
    } else if (name === 'string') {
      become(node, call('__python_str', [listOf(operand)]));
    } else if (Object.hasOwn(methodOfFilter, name)) {
      become(node, call(variableOf(methodOfFilter[name]!), [operand, ...args]));
    }
  } else if (node.type === 'BinaryExpression' && (node.operator as { value?: unknown }).value === '~') {
    become(node, call('__python_str', [listOf(node.left as Node, node.right as Node)]));
  } else if (node.type === 'For' && isNode(node.iterable)) {
    // A loop over something undefined, such as the content of a message that only calls tools, has no rounds.
    const holder: Node = node.iterable.type === 'SelectExpression' ? node.iterable : node;
    const key = holder === node ? 'iterable' : 'lhs';
    holder[key] = { type: 'BinaryExpression', operator: { value: 'or' }, left: holder[key], right: listOf() };
  }
}

function call(name: string, args: readonly Node[]): Node {
  return { type: 'CallExpression', callee: { type: 'Identifier', value: name }, args };
}

function listOf(...items: readonly Node[]): Node {
  return { type: 'ArrayLiteral', value: items };
}

/** Turns a node into another one, in its place. */
function become(node: Node, other: Node): void {
  for (const key of Object.keys(node)) {
    delete node[key];
  }
  Object.assign(node, other);
}

/** The arguments of transformers' `tojson(ensure_ascii, indent, separators, sort_keys)`; those with names come last, as a map of values. */
function jsonStyle(options: readonly unknown[]): JsonStyle {
  const named = new Map<string, unknown>();
  ['ensure_ascii', 'indent', 'separators', 'sort_keys'].forEach((name, index) => named.set(name, options[index] instanceof Map ? undefined : options[index]));
  const last = options.at(-1);
  if (last instanceof Map) {
    for (const [name, item] of last as ReadonlyMap<string, TemplateValue>) {
      named.set(name, item.value);
    }
  }
  const indent = named.get('indent');
  const separators = named.get('separators');
  return {
    ensureAscii: named.get('ensure_ascii') === true,
    indent: typeof indent === 'number' ? indent : undefined,
    separators: Array.isArray(separators) && separators.length === 2 ? [String((separators[0] as TemplateValue).value), String((separators[1] as TemplateValue).value)] : undefined,
    sortKeys: named.get('sort_keys') === true,
  };
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string';
}

function trimEnds(text: string, chars: unknown, atStart: boolean, atEnd: boolean): string {
  const set = typeof chars === 'string' ? [...chars].map((char) => `\\u{${char.codePointAt(0)!.toString(16)}}`).join('') : pythonSpace;
  if (set === '') {
    return text;
  }
  const trimmed = atStart ? text.replace(new RegExp(`^[${set}]+`, 'u'), '') : text;
  return atEnd ? trimmed.slice(0, endWithout(trimmed, new RegExp(`^[${set}]$`, 'u'))) : trimmed;
}

/** A scan from the end: `/[ ]+$/` would retry at every space of a long text. */
function endWithout(text: string, unwanted: RegExp): number {
  let end = text.length;
  while (end > 0) {
    const isPair = end > 1 && /[\udc00-\udfff]/.test(text[end - 1]!) && /[\ud800-\udbff]/.test(text[end - 2]!);
    const start = end - (isPair ? 2 : 1);
    if (!unwanted.test(text.slice(start, end))) {
      break;
    }
    end = start;
  }
  return end;
}

function splitFromRight(text: string, separator: unknown, limit: unknown): string[] {
  const parts = typeof separator === 'string' ? text.split(separator) : text.split(new RegExp(`[${pythonSpace}]+`, 'u')).filter((part) => part !== '');
  const most = typeof limit === 'number' && limit >= 0 ? limit : parts.length;
  const cut = parts.length - 1 - most;
  return cut <= 0 ? parts : [parts.slice(0, cut + 1).join(typeof separator === 'string' ? separator : ' '), ...parts.slice(cut + 1)];
}
