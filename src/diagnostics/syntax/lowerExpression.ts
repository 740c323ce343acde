/** Turns concrete expression nodes of the Python grammar into {@link Expr}. */
import type { Argument, ComprehensionExpr, Expr, Parameter } from './ast';
import type { ConcreteNode } from './concrete';

export function childByField(node: ConcreteNode, field: string): ConcreteNode | undefined {
  return node.children.find((child) => child.field === field);
}

export function textOf(source: string, node: ConcreteNode): string {
  return source.slice(node.start, node.end);
}

export function lowerExpression(source: string, node: ConcreteNode): Expr {
  const { start, end } = node;
  const lower = (child: ConcreteNode): Expr => lowerExpression(source, child);
  const field = (name: string): Expr => {
    const child = childByField(node, name);
    return child ? lower(child) : { kind: 'other', start, end, parts: [] };
  };
  switch (node.type) {
    case 'identifier':
    case 'keyword_identifier':
      return { kind: 'name', start, end, id: textOf(source, node) };
    case 'attribute': {
      const name = childByField(node, 'attribute');
      return { kind: 'attribute', start, end, object: field('object'), name: name ? textOf(source, name) : '', nameSpan: name ?? node };
    }
    case 'call':
      return lowerCall(source, node);
    case 'string':
      return lowerString(source, node);
    case 'concatenated_string': {
      const pieces = node.children.map(lower);
      const plain = pieces.every((piece) => piece.kind === 'string' && piece.value !== undefined);
      const value = plain ? pieces.map((piece) => (piece.kind === 'string' ? piece.value : '')).join('') : undefined;
      return { kind: 'string', start, end, value, parts: pieces.flatMap((piece) => (piece.kind === 'string' ? piece.parts : [])) };
    }
    case 'integer':
    case 'float':
      return { kind: 'number', start, end, value: Number(textOf(source, node).replace(/_/g, '').replace(/[lLjJ]$/, '')) };
    case 'true':
    case 'false':
      return { kind: 'literal', start, end, value: node.type === 'true' };
    case 'none':
      return { kind: 'literal', start, end, value: null };
    case 'subscript': {
      const index = node.children.filter((child) => child.field === 'subscript').map(lower);
      return { kind: 'subscript', start, end, object: field('value'), index };
    }
    case 'tuple':
    case 'tuple_pattern':
    case 'pattern_list':
    case 'expression_list':
      return { kind: 'sequence', form: 'tuple', start, end, items: node.children.map(lower) };
    case 'list':
    case 'list_pattern':
      return { kind: 'sequence', form: 'list', start, end, items: node.children.map(lower) };
    case 'set':
      return { kind: 'sequence', form: 'set', start, end, items: node.children.map(lower) };
    case 'dictionary':
      return { kind: 'dict', start, end, entries: node.children.map((child) => lowerEntry(source, child)) };
    case 'list_comprehension':
    case 'set_comprehension':
    case 'generator_expression':
    case 'dictionary_comprehension':
      return lowerComprehension(source, node);
    case 'binary_operator': {
      const operator = childByField(node, 'operator');
      return { kind: 'binary', start, end, operator: operator ? textOf(source, operator) : '', left: field('left'), right: field('right') };
    }
    case 'boolean_operator': {
      const operator = childByField(node, 'operator');
      return { kind: 'boolean', start, end, operator: operator && textOf(source, operator) === 'or' ? 'or' : 'and', left: field('left'), right: field('right') };
    }
    case 'not_operator':
      return { kind: 'unary', start, end, operator: 'not', operand: field('argument') };
    case 'unary_operator': {
      const sign = source[start];
      return { kind: 'unary', start, end, operator: sign === '-' || sign === '~' ? sign : '+', operand: field('argument') };
    }
    case 'comparison_operator':
      return {
        kind: 'compare',
        start,
        end,
        operators: node.children.filter((child) => child.field === 'operators').map((child) => textOf(source, child)),
        operands: node.children.filter((child) => child.field !== 'operators').map(lower),
      };
    case 'conditional_expression': {
      const [then, test, otherwise] = node.children.map(lower);
      if (!then || !test || !otherwise) {
        break;
      }
      return { kind: 'conditional', start, end, test, then, otherwise };
    }
    case 'lambda': {
      const params = childByField(node, 'parameters');
      return { kind: 'lambda', start, end, params: params ? lowerParameters(source, params) : [], body: field('body') };
    }
    case 'named_expression':
      return { kind: 'named', start, end, target: field('name'), value: field('value') };
    case 'parenthesized_expression': {
      const inner = node.children[0];
      return inner ? lower(inner) : { kind: 'other', start, end, parts: [] };
    }
    case 'list_splat':
    case 'list_splat_pattern':
    case 'dictionary_splat':
    case 'dictionary_splat_pattern': {
      const inner = node.children[0];
      return { kind: 'star', start, end, value: inner ? lower(inner) : { kind: 'other', start, end, parts: [] } };
    }
    case 'await': {
      const inner = node.children[0];
      return { kind: 'await', start, end, value: inner ? lower(inner) : { kind: 'other', start, end, parts: [] } };
    }
    case 'yield': {
      const inner = node.children[0];
      return { kind: 'yield', start, end, value: inner ? lower(inner) : undefined };
    }
    case 'keyword_argument':
      return field('value');
  }
  return { kind: 'other', start, end, parts: node.children.map(lower) };
}

function lowerCall(source: string, node: ConcreteNode): Expr {
  const { start, end } = node;
  const func = childByField(node, 'function');
  const list = childByField(node, 'arguments');
  const args: Argument[] = [];
  if (list?.type === 'generator_expression') {
    args.push({ start: list.start, end: list.end, value: lowerExpression(source, list) });
  }
  for (const child of list?.type === 'argument_list' ? list.children : []) {
    const span = { start: child.start, end: child.end };
    if (child.type === 'keyword_argument') {
      const name = childByField(child, 'name');
      args.push({ ...span, name: name && textOf(source, name), value: lowerExpression(source, child) });
    } else if (child.type === 'dictionary_splat' || child.type === 'list_splat') {
      const inner = child.children[0];
      if (inner) {
        args.push({ ...span, unpack: child.type === 'list_splat' ? 'list' : 'mapping', value: lowerExpression(source, inner) });
      }
    } else {
      args.push({ ...span, value: lowerExpression(source, child) });
    }
  }
  return {
    kind: 'call',
    start,
    end,
    func: func ? lowerExpression(source, func) : { kind: 'other', start, end, parts: [] },
    args,
    argsSpan: list ? { start: list.start, end: list.end } : { start: end, end },
  };
}

function lowerString(source: string, node: ConcreteNode): Expr {
  const { start, end } = node;
  const opening = childByField(node, 'string_start') ?? node.children.find((child) => child.type === 'string_start');
  const closing = node.children.find((child) => child.type === 'string_end');
  const parts = node.children
    .filter((child) => child.type === 'interpolation')
    .flatMap((child) => child.children.filter((inner) => inner.type !== 'format_specifier' && inner.type !== 'type_conversion'))
    .map((child) => lowerExpression(source, child));
  const isFormatted = opening !== undefined && /[fF]/.test(textOf(source, opening));
  const value = isFormatted || !opening || !closing ? undefined : source.slice(opening.end, closing.start);
  return { kind: 'string', start, end, value, parts };
}

function lowerEntry(source: string, node: ConcreteNode): { key?: Expr; value: Expr } {
  if (node.type === 'pair') {
    const key = childByField(node, 'key');
    const value = childByField(node, 'value');
    if (key && value) {
      return { key: lowerExpression(source, key), value: lowerExpression(source, value) };
    }
  }
  const inner = node.type === 'dictionary_splat' ? node.children[0] : node;
  return { value: lowerExpression(source, inner ?? node) };
}

function lowerComprehension(source: string, node: ConcreteNode): ComprehensionExpr {
  const { start, end } = node;
  const body = childByField(node, 'body');
  const clauses: ComprehensionExpr['clauses'][number][] = [];
  for (const child of node.children) {
    if (child.type === 'for_in_clause') {
      const target = childByField(child, 'left');
      const iterable = childByField(child, 'right');
      if (target && iterable) {
        clauses.push({ target: lowerExpression(source, target), iterable: lowerExpression(source, iterable) });
      }
    } else if (child.type === 'if_clause' && child.children[0]) {
      clauses.push({ condition: lowerExpression(source, child.children[0]) });
    }
  }
  const entry = body ? lowerEntry(source, body) : { value: { kind: 'other', start, end, parts: [] } satisfies Expr };
  const form = node.type === 'dictionary_comprehension' ? 'dict' : node.type === 'list_comprehension' ? 'list' : node.type === 'set_comprehension' ? 'set' : 'generator';
  return { kind: 'comprehension', form, start, end, key: entry.key, value: entry.value, clauses };
}

export function lowerParameters(source: string, node: ConcreteNode): readonly Parameter[] {
  const params: Parameter[] = [];
  for (const child of node.children) {
    const type = childByField(child, 'type');
    const annotation = type && textOf(source, type);
    const value = childByField(child, 'value');
    const defaultValue = value && lowerExpression(source, value);
    const inner = child.type === 'typed_parameter' ? (child.children[0] ?? child) : child;
    const named = childByField(child, 'name') ?? inner;
    if (named.type === 'identifier') {
      params.push({ name: textOf(source, named), form: 'plain', annotation, defaultValue });
    } else if (named.type === 'list_splat_pattern' || named.type === 'dictionary_splat_pattern') {
      const name = named.children[0];
      params.push({ name: name ? textOf(source, name) : '', form: named.type === 'list_splat_pattern' ? 'list' : 'mapping', annotation });
    } else if (named.type === 'keyword_separator') {
      params.push({ name: '', form: 'list' });
    }
  }
  return params;
}
