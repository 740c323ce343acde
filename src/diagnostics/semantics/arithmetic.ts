/** Operators on clock readings and tensors: differences are times, things per time are speeds. */
import type { Span } from '../syntax/ast';
import type { Interpreter } from './interpreter';
import { joinPlaces } from './join';
import { constant, optionsOf, plain, unknown, type Region, type Value } from './values';

export function combine(interpreter: Interpreter, operator: string, left: Value, right: Value, expr: Span): Value {
  const leftTimes = regionsOf(left);
  const rightTimes = regionsOf(right);
  if (operator === '-') {
    const elapsed = difference(interpreter, left, right);
    if (elapsed) {
      return elapsed;
    }
  }
  if (leftTimes && rightTimes) {
    if (operator !== '+' && leftTimes.some((region) => !rightTimes.includes(region)) && interpreter.isRecording) {
      interpreter.facts.comparisons.push({ expr, left: leftTimes, right: rightTimes });
    }
    return operator === '+' || operator === '-' ? { kind: 'elapsed', regions: [...new Set([...leftTimes, ...rightTimes])] } : unknown;
  }
  if (operator === 'compare') {
    return unknown;
  }
  if (rightTimes && (operator === '/' || operator === '//') && !optionsOf(right).some((option) => option.kind === 'rate')) {
    if (interpreter.isRecording) {
      interpreter.facts.rates.push({ expr, regions: rightTimes, callDepth: interpreter.callDepth });
    }
    return { kind: 'rate', regions: rightTimes };
  }
  const times = leftTimes ?? rightTimes;
  if (times) {
    const isRate = left.kind === 'rate' || right.kind === 'rate';
    return { kind: isRate ? 'rate' : 'elapsed', regions: times };
  }
  if (left.kind === 'tensor' || right.kind === 'tensor') {
    return combineTensors(left, right);
  }
  if (left.kind === 'plain' || right.kind === 'plain') {
    return plain;
  }
  if (left.kind === 'const' && right.kind === 'const' && typeof left.value === 'number' && typeof right.value === 'number') {
    return constant(arithmetic(operator, left.value, right.value) ?? null);
  }
  return unknown;
}

/** The measured regions a value stands for; undefined when it is no time and no speed. */
export function regionsOf(value: Value): readonly Region[] | undefined {
  const regions = optionsOf(value).flatMap((option) => (option.kind === 'elapsed' || option.kind === 'rate' ? option.regions : []));
  return regions.length > 0 ? regions : undefined;
}

function difference(interpreter: Interpreter, left: Value, right: Value): Value | undefined {
  const regions: Region[] = [];
  for (const to of optionsOf(left)) {
    for (const from of optionsOf(right)) {
      if (to.kind === 'timestamp' && from.kind === 'timestamp' && from.event < to.event) {
        regions.push({ from: from.event, to: to.event, fromSpan: from.span, toSpan: to.span, byEvents: false });
      }
    }
  }
  if (regions.length === 0) {
    return undefined;
  }
  if (interpreter.isRecording) {
    interpreter.facts.elapsed.push(...regions);
  }
  return { kind: 'elapsed', regions };
}

function combineTensors(left: Value, right: Value): Value {
  if (left.kind === 'tensor' && right.kind === 'tensor') {
    const isSame = left.places.length === 1 && right.places.length === 1 && left.places[0]?.kind === right.places[0]?.kind;
    return { kind: 'tensor', places: isSame ? left.places : [...joinPlaces(left.places, right.places), { kind: 'unknown' }], origin: left.origin };
  }
  const tensor = left.kind === 'tensor' ? left : right;
  const other = left.kind === 'tensor' ? right : left;
  if (tensor.kind !== 'tensor') {
    return unknown;
  }
  // A number keeps the tensor's device; anything else may be a tensor of its own.
  const places = other.kind === 'const' ? tensor.places : [...tensor.places, { kind: 'unknown' } as const];
  return { kind: 'tensor', places, origin: tensor.origin };
}

function arithmetic(operator: string, left: number, right: number): number | undefined {
  switch (operator) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '/':
      return right === 0 ? undefined : left / right;
    case '//':
      return right === 0 ? undefined : Math.floor(left / right);
    case '**':
      return left ** right;
    default:
      return undefined;
  }
}
