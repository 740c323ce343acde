/** Turns concrete statement nodes of the Python grammar into {@link Stmt}; broken statements become {@link BrokenStmt}. */
import type { Expr, ImportStmt, Stmt } from './ast';
import type { ConcreteNode } from './concrete';
import { childByField, lowerExpression, lowerParameters, textOf } from './lowerExpression';

export function lowerModule(source: string, root: ConcreteNode): readonly Stmt[] {
  return lowerBlock(source, root.children);
}

/** One statement of the module. */
export function lowerTopLevel(source: string, node: ConcreteNode): Stmt {
  return node.broken && !compound.has(node.type) ? lowerBroken(source, node) : lowerStatement(source, node);
}

/** Statement kinds that hold blocks: one broken line inside must not hide the rest. */
const compound = new Set(['if_statement', 'for_statement', 'while_statement', 'try_statement', 'with_statement', 'function_definition', 'class_definition', 'decorated_definition', 'match_statement']);

function lowerBlock(source: string, nodes: readonly ConcreteNode[]): readonly Stmt[] {
  return nodes.map((node) => lowerTopLevel(source, node));
}

function blockOf(source: string, node: ConcreteNode | undefined): readonly Stmt[] {
  return node ? lowerBlock(source, node.type === 'block' ? node.children : [node]) : [];
}

function lowerStatement(source: string, node: ConcreteNode): Stmt {
  const { start, end } = node;
  const expr = (child: ConcreteNode | undefined): Expr => (child ? lowerExpression(source, child) : { kind: 'other', start, end, parts: [] });
  const field = (name: string): ConcreteNode | undefined => childByField(node, name);
  switch (node.type) {
    case 'expression_statement': {
      const inner = node.children[0];
      if (inner?.type === 'assignment') {
        return lowerAssignment(source, inner);
      }
      if (inner?.type === 'augmented_assignment') {
        const operator = childByField(inner, 'operator');
        return { kind: 'augmented', start, end, operator: operator ? textOf(source, operator) : '', target: expr(childByField(inner, 'left')), value: expr(childByField(inner, 'right')) };
      }
      const value = node.children.length > 1 ? ({ kind: 'sequence', form: 'tuple', start, end, items: node.children.map(expr) } satisfies Expr) : expr(inner);
      return { kind: 'expression', start, end, value };
    }
    case 'if_statement': {
      const alternatives = node.children.filter((child) => child.field === 'alternative');
      return { kind: 'if', start, end, test: expr(field('condition')), body: blockOf(source, field('consequence')), otherwise: lowerAlternatives(source, alternatives) };
    }
    case 'for_statement':
      return { kind: 'for', start, end, target: expr(field('left')), iterable: expr(field('right')), body: blockOf(source, field('body')), otherwise: elseBody(source, field('alternative')) };
    case 'while_statement':
      return { kind: 'while', start, end, test: expr(field('condition')), body: blockOf(source, field('body')), otherwise: elseBody(source, field('alternative')) };
    case 'try_statement':
      return lowerTry(source, node);
    case 'with_statement': {
      const clause = node.children.find((child) => child.type === 'with_clause');
      const items = (clause?.children ?? []).flatMap((item) => {
        // `with (open(a) as f, open(b) as g):` parses as one item that holds a tuple of patterns.
        const values = item.children[0]?.type === 'tuple' ? item.children[0].children : item.children.slice(0, 1);
        return values.map((value) => {
          if (value.type === 'as_pattern') {
            const target = childByField(value, 'alias')?.children[0];
            return { value: expr(value.children[0]), target: target && expr(target) };
          }
          return { value: expr(value) };
        });
      });
      return { kind: 'with', start, end, items, body: blockOf(source, field('body')) };
    }
    case 'function_definition':
    case 'class_definition':
      return lowerDefinition(source, node, []);
    case 'decorated_definition': {
      const definition = field('definition');
      const decorators = node.children.filter((child) => child.type === 'decorator').map((child) => expr(child.children[0]));
      return definition ? lowerDefinition(source, definition, decorators) : lowerBroken(source, node);
    }
    case 'return_statement':
      return { kind: 'return', start, end, value: node.children[0] && expr(node.children[0]) };
    case 'raise_statement':
      return { kind: 'jump', form: 'raise', start, end, value: node.children[0] && expr(node.children[0]) };
    case 'break_statement':
      return { kind: 'jump', form: 'break', start, end };
    case 'continue_statement':
      return { kind: 'jump', form: 'continue', start, end };
    case 'pass_statement':
      return { kind: 'jump', form: 'pass', start, end };
    case 'import_statement':
    case 'import_from_statement':
    case 'future_import_statement':
      return lowerImport(source, node);
    case 'global_statement':
    case 'nonlocal_statement':
      return { kind: 'scope', form: node.type === 'global_statement' ? 'global' : 'nonlocal', start, end, names: node.children.map((child) => textOf(source, child)) };
    case 'delete_statement':
      return { kind: 'delete', start, end, targets: node.children.map(expr) };
    case 'match_statement': {
      const block = field('body');
      const cases = (block?.children ?? []).filter((child) => child.type === 'case_clause').map((child) => blockOf(source, childByField(child, 'consequence')));
      return { kind: 'match', start, end, subject: expr(field('subject')), cases };
    }
    case 'print_statement':
    case 'exec_statement':
    case 'assert_statement':
    case 'chevron':
      return { kind: 'expression', start, end, value: { kind: 'other', start, end, parts: node.children.map(expr) } };
    case 'ERROR':
      return lowerBroken(source, node);
    case 'block':
      return { kind: 'broken', start, end, names: [], body: lowerBlock(source, node.children) };
  }
  return { kind: 'expression', start, end, value: expr(node) };
}

function lowerAssignment(source: string, node: ConcreteNode): Stmt {
  const { start, end } = node;
  const targets: Expr[] = [];
  let annotation: string | undefined;
  let current: ConcreteNode | undefined = node;
  while (current?.type === 'assignment') {
    const left = childByField(current, 'left');
    const type = childByField(current, 'type');
    if (left) {
      targets.push(lowerExpression(source, left));
    }
    annotation ??= type && textOf(source, type);
    current = childByField(current, 'right');
  }
  return { kind: 'assign', start, end, targets, value: current && lowerExpression(source, current), annotation };
}

function lowerAlternatives(source: string, nodes: readonly ConcreteNode[]): readonly Stmt[] {
  const [first, ...rest] = nodes;
  if (!first) {
    return [];
  }
  if (first.type !== 'elif_clause') {
    return elseBody(source, first);
  }
  const test = childByField(first, 'condition');
  return [
    {
      kind: 'if',
      start: first.start,
      end: first.end,
      test: test ? lowerExpression(source, test) : { kind: 'other', start: first.start, end: first.end, parts: [] },
      body: blockOf(source, childByField(first, 'consequence')),
      otherwise: lowerAlternatives(source, rest),
    },
  ];
}

function elseBody(source: string, node: ConcreteNode | undefined): readonly Stmt[] {
  return node ? blockOf(source, childByField(node, 'body')) : [];
}

function lowerTry(source: string, node: ConcreteNode): Stmt {
  const lastBlock = (clause: ConcreteNode): ConcreteNode | undefined => clause.children.filter((child) => child.type === 'block').at(-1);
  const handlers = node.children
    .filter((child) => child.type === 'except_clause' || child.type === 'except_group_clause')
    .map((clause) => {
      const pattern = clause.children.find((child) => child.type === 'as_pattern');
      const alias = pattern && childByField(pattern, 'alias');
      return { name: alias && textOf(source, alias), body: blockOf(source, lastBlock(clause)) };
    });
  const otherwise = node.children.find((child) => child.type === 'else_clause');
  const final = node.children.find((child) => child.type === 'finally_clause');
  return {
    kind: 'try',
    start: node.start,
    end: node.end,
    body: blockOf(source, childByField(node, 'body')),
    handlers,
    otherwise: elseBody(source, otherwise),
    final: final ? blockOf(source, lastBlock(final)) : [],
  };
}

function lowerDefinition(source: string, node: ConcreteNode, decorators: readonly Expr[]): Stmt {
  const { start, end } = node;
  const nameNode = childByField(node, 'name');
  const name = nameNode ? textOf(source, nameNode) : '';
  const bodyNode = childByField(node, 'body');
  const body = blockOf(source, bodyNode);
  if (node.type === 'class_definition') {
    const list = childByField(node, 'superclasses');
    const bases = (list?.children ?? []).filter((child) => child.type !== 'keyword_argument').map((child) => lowerExpression(source, child));
    return { kind: 'class', start, end, name, bases, decorators, body };
  }
  const params = childByField(node, 'parameters');
  return { kind: 'function', start, end, name, params: params ? lowerParameters(source, params) : [], decorators, body, isGenerator: bodyNode !== undefined && hasYield(bodyNode) };
}

function hasYield(node: ConcreteNode): boolean {
  return node.type === 'yield' || (node.type !== 'function_definition' && node.type !== 'lambda' && node.children.some(hasYield));
}

function lowerImport(source: string, node: ConcreteNode): ImportStmt {
  const moduleNode = childByField(node, 'module_name');
  const names = node.children
    .filter((child) => child !== moduleNode)
    .map((child) => {
      if (child.type === 'wildcard_import') {
        return { name: '*' };
      }
      const name = child.type === 'aliased_import' ? childByField(child, 'name') : child;
      const alias = child.type === 'aliased_import' ? childByField(child, 'alias') : undefined;
      return { name: textOf(source, name ?? child), alias: alias && textOf(source, alias) };
    });
  return { kind: 'import', start: node.start, end: node.end, module: moduleNode && textOf(source, moduleNode), names };
}

/** Keeps whole statements inside unparsable code and collects the names it seems to assign. */
function lowerBroken(source: string, node: ConcreteNode): Stmt {
  const names: string[] = [];
  const body: Stmt[] = [];
  const visit = (current: ConcreteNode): void => {
    for (const child of current.children) {
      if (compound.has(child.type) || (child.type.endsWith('_statement') && !child.broken)) {
        body.push(lowerStatement(source, child));
      } else if (child.type === 'identifier') {
        if (/^[ \t]*=(?!=)/.test(source.slice(child.end, child.end + 20))) {
          names.push(textOf(source, child));
        }
      } else {
        visit(child);
      }
    }
  };
  visit(node);
  return { kind: 'broken', start: node.start, end: node.end, names, body };
}
