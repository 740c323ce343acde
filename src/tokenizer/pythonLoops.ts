/**
 * Makes the rounds of a loop what they are in Python's jinja2, where @huggingface/jinja 0.5 differs from it.
 *
 * There, `{% continue %}` and `{% break %}` are thrown through the round, which loses what the round had written before. So a loop that holds
 * them gets a namespace with flags, and what follows them stands under a condition. And what a round sets is still set in the next one, where
 * jinja2 begins anew with what was set outside. So a round that sets something becomes a macro that is called at once, as macros have variables
 * of their own. The template's text is never touched.
 */

import { parse, tokenize, type Template } from '@huggingface/jinja';

type Node = { type: string } & Record<string, unknown>;

/** Rewrites the loops in place. */
export function usePythonLoops(template: Template): void {
  let count = 0;
  rewriteBlock((template.parsed as unknown as { body: Node[] }).body, () => `__loop_${++count}`);
}

/** Where statements stand. */
const blockKeys = ['body', 'alternate', 'defaultBlock'];

/** Inner loops first, so that only the control of the loop at hand is left in its body. */
function rewriteBlock(statements: Node[], nextName: () => string): void {
  for (let index = 0; index < statements.length; index += 1) {
    const node = statements[index] as Node;
    for (const key of blockKeys) {
      if (Array.isArray(node[key])) {
        rewriteBlock(node[key] as Node[], nextName);
      }
    }
    if (node.type !== 'For') {
      continue;
    }
    const name = nextName();
    const hasControl = holdsControl(node.body as Node[]);
    if (hasControl) {
      // As in jinja2, `else` is for a loop of which no round was gone through to its end.
      const otherwise = { ...conditionOn(`not ${name}.whole`), body: node.defaultBlock as Node[] };
      node.body = [...statementsOf(`{% set ${name}.skip = ${name}.over %}`), unlessSkipped(name, [...(node.body as Node[]), ...statementsOf(`{% set ${name}.whole = true %}`)])];
      node.defaultBlock = [];
      statements.splice(index, 1, ...statementsOf(`{% set ${name} = namespace(skip=false, over=false, whole=false) %}`), node, otherwise);
      index += 2;
    }
    if (setsVariable(node.body as Node[]) && !macroVariables.test(JSON.stringify(node.body, mapsAsLists))) {
      const [macro, call] = statementsOf(`{% macro ${name}_round() %}{% endmacro %}{{ ${name}_round() }}`);
      node.body = [{ ...(macro as Node), body: node.body }, call as Node];
    }
  }
}

/** What a macro around holds under these names would be another macro's. */
const macroVariables = /"(caller|varargs|kwargs)"/;
const mapsAsLists = (_key: string, value: unknown): unknown => (value instanceof Map ? [...(value as ReadonlyMap<unknown, unknown>)] : value);

/** Whether a round gives a variable a value; attributes of a namespace are meant to outlive it. */
function setsVariable(statements: readonly Node[]): boolean {
  return statements.some((node) => (node.type === 'Set' && (node.assignee as Node).type !== 'MemberExpression') || (node.type === 'If' && (setsVariable(node.body as Node[]) || setsVariable(node.alternate as Node[]))));
}

/** The same statements, each under the condition that none before it ended the round. */
function guarded(name: string, statements: readonly Node[]): Node[] {
  const index = statements.findIndex((node) => isControl(node) || (node.type === 'If' && holdsControl([node])));
  const node = statements[index];
  if (node === undefined) {
    return [...statements];
  }
  const before = statements.slice(0, index);
  if (isControl(node)) {
    return [...before, ...statementsOf(`{% set ${name}.skip = true %}${node.type === 'Break' ? `{% set ${name}.over = true %}` : ''}`)];
  }
  const rest = statements.slice(index + 1);
  const branches = { ...node, body: guarded(name, node.body as Node[]), alternate: guarded(name, node.alternate as Node[]) };
  return [...before, branches, ...(rest.length === 0 ? [] : [unlessSkipped(name, rest)])];
}

function unlessSkipped(name: string, statements: readonly Node[]): Node {
  return { ...conditionOn(`not ${name}.skip`), body: guarded(name, statements) };
}

function conditionOn(test: string): Node {
  return statementsOf(`{% if ${test} %}{% endif %}`)[0] as Node;
}

const isControl = ({ type }: Node): boolean => type === 'Break' || type === 'Continue';

/** Whether one of these statements ends a round of the loop that they stand in; a loop or macro within is another matter. */
function holdsControl(statements: readonly Node[]): boolean {
  return statements.some((node) => isControl(node) || (node.type === 'If' && (holdsControl(node.body as Node[]) || holdsControl(node.alternate as Node[]))));
}

const statementsOf = (source: string): Node[] => parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true })).body as unknown as Node[];
