/** The abstract value of each expression. */
import type { Argument, ComprehensionExpr, Expr, SubscriptExpr } from '../syntax/ast';
import { attributeOf } from './attributes';
import { combine } from './arithmetic';
import { evaluateCall, mayHoldTensor } from './calls';
import { dictFrom, iterate, subscript } from './containers';
import type { Frame } from './frame';
import { isWhereSpread, pickedByPlacement, sameEitherWay, truthOf, whereGpuExists } from './guards';
import type { Interpreter } from './interpreter';
import type { CallArguments } from './parameters';
import { joinValues } from './join';
import { runBranches, tagAvailability } from './statements';
import { constant, optionsOf, spreadingMaps, unknown, type Value } from './values';

export function evaluate(interpreter: Interpreter, expr: Expr, frame: Frame): Value {
  if (!interpreter.step()) {
    return unknown;
  }
  const value = (inner: Expr): Value => evaluate(interpreter, inner, frame);
  switch (expr.kind) {
    case 'name':
      return interpreter.lookup(expr.id, frame) ?? { kind: 'module', path: `builtins.${expr.id}` };
    case 'attribute':
      return withoutLooseMethods(interpreter, attributeOf(interpreter, value(expr.object), expr));
    case 'call':
      return evaluateCall(interpreter, expr, frame);
    case 'string':
      if (expr.parts.map(value).some(mayHoldTensor)) {
        interpreter.facts.happenings.push({ kind: 'unseen', event: interpreter.tick() });
      }
      return expr.value === undefined ? formatted(interpreter.textOf(expr)) : constant(expr.value);
    case 'number':
    case 'literal':
      return constant(expr.value);
    case 'subscript':
      return evaluateSubscript(interpreter, expr, frame);
    case 'sequence': {
      const items = expr.items.map((item) => value(item.kind === 'star' ? item.value : item));
      const isPlain = !expr.items.some((item) => item.kind === 'star');
      if (expr.form === 'tuple' && isPlain) {
        return { kind: 'tuple', items };
      }
      return interpreter.allocate({ kind: 'list', items: isPlain ? items : undefined, element: items.length > 0 ? items.reduce(joinValues) : unknown });
    }
    case 'dict':
      return dictFrom(interpreter, expr, frame);
    case 'comprehension':
      return evaluateComprehension(interpreter, expr, frame);
    case 'binary':
      return combine(interpreter, expr.operator, value(expr.left), value(expr.right), expr);
    case 'boolean': {
      const left = value(expr.left);
      const right = value(expr.right);
      if (left.kind === 'availability' || right.kind === 'availability') {
        // `is_available() and "cuda" or "cpu"` picks a device, anything else stays a condition.
        return isDeviceLike(left) || isDeviceLike(right) ? { kind: 'device', device: { kind: 'availability' } } : { kind: 'availability' };
      }
      return joinValues(left, right);
    }
    case 'unary': {
      const operand = value(expr.operand);
      if (operand.kind === 'availability') {
        return operand;
      }
      if (expr.operator === '-' && operand.kind === 'const' && typeof operand.value === 'number') {
        return constant(-operand.value);
      }
      if (expr.operator === 'not' && operand.kind === 'const' && typeof operand.value === 'boolean') {
        return { ...operand, value: !operand.value };
      }
      return expr.operator === '-' ? operand : unknown;
    }
    case 'compare': {
      const operands = expr.operands.map(value);
      const [left, right] = operands;
      if (left && right) {
        combine(interpreter, 'compare', left, right, expr);
      }
      if (!/is|in/.test(expr.operators[0] ?? '') && operands.some(mayHoldTensor) && !expr.operands.some(({ kind }) => kind === 'string')) {
        // An `if` reads back what it compares.
        interpreter.facts.happenings.push({ kind: 'unseen', event: interpreter.tick() });
      }
      return operands.some((operand) => operand.kind === 'availability') ? { kind: 'availability' } : compareConstants(expr.operators[0], left, right);
    }
    case 'conditional': {
      const test = value(expr.test);
      const truth = truthOf(interpreter, expr.test, test);
      if (truth !== undefined) {
        return value(truth ? expr.then : expr.otherwise);
      }
      const same = sameEitherWay(interpreter, expr);
      if (same) {
        return value(same);
      }
      if (test.kind === 'availability') {
        interpreter.availabilityDepth++;
      }
      const results: Value[] = [];
      // What one alternative moves in place stays where it was in the other.
      runBranches(
        interpreter,
        [expr.then, expr.otherwise].map((alternative) => () => {
          const { spreadSince } = interpreter;
          interpreter.spreadSince = isWhereSpread(interpreter, expr.test, alternative === expr.then ? 'then' : 'otherwise') ? interpreter.tick() : spreadSince;
          results.push(tagAvailability(interpreter, value(alternative)));
          interpreter.spreadSince = spreadSince;
          return true;
        }),
      );
      if (test.kind === 'availability') {
        interpreter.availabilityDepth--;
      }
      const [then] = results;
      if (then?.kind === 'const' && spreadingMaps.has(then.value)) {
        results[0] = { ...then, when: interpreter.textOf(expr.test) };
      }
      return whereGpuExists(test, results[0], results[1]) ?? pickedByPlacement(interpreter, expr.test, results) ?? results.reduce(joinValues);
    }
    case 'lambda':
      return { kind: 'function', def: expr, closure: frame };
    case 'named': {
      const result = value(expr.value);
      interpreter.assign(expr.target, result, frame);
      return result;
    }
    case 'star':
    case 'await':
      return value(expr.value);
    case 'yield': {
      const result = expr.value ? value(expr.value) : unknown;
      interpreter.functionFlow?.yields.push(result);
      return unknown;
    }
    case 'other':
      expr.parts.forEach(value);
      return unknown;
  }
  expr satisfies never;
}

/** An f-string: `f"cpu:{rank}"` is a CPU whatever the rank. */
function formatted(text: string): Value {
  return /^[fFrR]{1,2}["']cpu\b/.test(text) ? { kind: 'device', device: { kind: 'literal', name: 'cpu' } } : unknown;
}

/** A bound method is worth carrying around only when it is a model's (`Thread(target=model.generate)`), of a model given by a caller not seen, or an object's. */
function withoutLooseMethods(interpreter: Interpreter, value: Value): Value {
  const isModels = (option: Extract<Value, { kind: 'method' }>): boolean => (option.receiver.kind === 'unknown' ? option.name === 'generate' : option.receiver.kind === 'ref' && interpreter.object(option.receiver)?.kind === 'model');
  const isLoose = (option: Value): boolean => option.kind === 'method' && !isModels(option);
  return optionsOf(value).some(isLoose) ? optionsOf(value).map((option) => (isLoose(option) ? unknown : option)).reduce(joinValues) : value;
}

/** Evaluates the arguments of a call, in order. */
export function evaluateArguments(interpreter: Interpreter, args: readonly Argument[], frame: Frame): CallArguments {
  const positional: { value: Value; expr: Expr }[] = [];
  const keywords = new Map<string, { value: Value; expr: Expr }>();
  const mappings: { value: Value; expr: Expr }[] = [];
  let hasListUnpack = false;
  for (const arg of args) {
    const value = evaluate(interpreter, arg.value, frame);
    if (arg.unpack === 'mapping') {
      mappings.push({ value, expr: arg.value });
    } else if (arg.unpack === 'list') {
      const items = value.kind === 'tuple' ? value.items : undefined;
      if (items) {
        items.forEach((item) => positional.push({ value: item, expr: arg.value }));
      } else {
        hasListUnpack = true;
      }
    } else if (arg.name !== undefined) {
      keywords.set(arg.name, { value, expr: arg.value });
    } else {
      positional.push({ value, expr: arg.value });
    }
  }
  return { positional, keywords, mappings, hasListUnpack };
}

function isDeviceLike(value: Value): boolean {
  return optionsOf(value).some((option) => option.kind === 'device' || (option.kind === 'const' && typeof option.value === 'string'));
}

function compareConstants(operator: string | undefined, left: Value | undefined, right: Value | undefined): Value {
  const comparable = left?.kind === 'const' && right?.kind === 'const' && !left.fromDefault && !right.fromDefault;
  return comparable && operator === '==' ? constant(left.value === right.value) : unknown;
}

function evaluateSubscript(interpreter: Interpreter, expr: SubscriptExpr, frame: Frame): Value {
  const object = evaluate(interpreter, expr.object, frame);
  const index = expr.index.map((part) => evaluate(interpreter, part, frame));
  // `for key in ("a", "b"): batch[key]` is either of the two.
  const [first] = index;
  const keys = index.length === 1 && first?.kind === 'union' && first.options.every(({ kind }) => kind === 'const') ? first.options.map((key) => [key]) : [index];
  const found = optionsOf(object).flatMap((option) => keys.map((key) => subscript(interpreter, option, key, expr)));
  const known = keys.length > 1 ? found.filter(({ kind }) => kind !== 'unknown') : found;
  return (known.length > 0 ? known : found).reduce(joinValues);
}

function evaluateComprehension(interpreter: Interpreter, expr: ComprehensionExpr, frame: Frame): Value {
  // The loop variables get a frame of their own; whatever the body changes in place stays changed.
  const inner = interpreter.newFrame('function', frame);
  inner.self = frame.self;
  let source: Value = unknown;
  for (const clause of expr.clauses) {
    if ('condition' in clause) {
      evaluate(interpreter, clause.condition, inner);
    } else {
      source = evaluate(interpreter, clause.iterable, inner);
      interpreter.assign(clause.target, iterate(interpreter, source).element, inner);
    }
  }
  const loop = { from: interpreter.tick(), to: Infinity, isWhile: false };
  interpreter.loops.push(loop);
  if (expr.key) {
    evaluate(interpreter, expr.key, inner);
  }
  const element = evaluate(interpreter, expr.value, inner);
  interpreter.loops.pop();
  loop.to = interpreter.tick();
  return expr.form === 'dict' ? interpreter.allocate({ kind: 'dict', entries: new Map(), rest: element }) : interpreter.allocate({ kind: 'list', element });
}
