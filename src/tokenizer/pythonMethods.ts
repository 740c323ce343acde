/**
 * Makes templates see Python's string methods where @huggingface/jinja 0.5 differs from them.
 *
 * There, `strip`, `lstrip` and `rstrip` ignore their argument (GLM templates write `.lstrip('\n')`) and trim JavaScript's white space, and some
 * methods are missing. So each `x.method(args)` of the table, and the `trim` filter, is rewritten in the parsed template into a call of a
 * function that is passed in as a variable. The template's text is never touched.
 */

import type { Template } from '@huggingface/jinja';

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
};

const variableOf = (method: string): string => `__python_str_${method}`;

/** Variables to render with. */
export const pythonMethodVariables: Readonly<Record<string, unknown>> = Object.fromEntries(
  Object.entries(methods).map(([method, apply]) => [
    variableOf(method),
    (text: unknown, ...args: unknown[]): unknown => {
      if (typeof text !== 'string') {
        throw new Error(`only text has a method ${method}(), got ${text === null || text === undefined ? 'none' : typeof text}`);
      }
      return apply(text, ...args);
    },
  ]),
);

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
  }
}

function rewrite(node: Node): void {
  if (node.type === 'CallExpression' && isNode(node.callee) && node.callee.type === 'MemberExpression' && node.callee.computed === false) {
    const { object, property } = node.callee as unknown as { object: Node; property: Node };
    if (property.type === 'Identifier' && Object.hasOwn(methods, property.value as string)) {
      node.args = [object, ...(node.args as Node[])];
      node.callee = Object.assign(property, { value: variableOf(property.value as string) });
    }
  } else if (node.type === 'FilterExpression' && isNode(node.filter)) {
    const name = node.filter.type === 'CallExpression' ? (node.filter.callee as Node) : node.filter;
    if (name.type === 'Identifier' && name.value === 'trim') {
      const { operand, filter } = node as unknown as { operand: Node; filter: Node };
      const args = filter.type === 'CallExpression' ? (filter.args as Node[]) : [];
      delete node.operand;
      delete node.filter;
      Object.assign(node, { type: 'CallExpression', callee: Object.assign(name, { value: variableOf('strip') }), args: [operand, ...args] });
    }
  }
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
