/** The effect of each statement on the state. Every function returns false when control does not come out at the end. */
import type { ClassStmt, Expr, ForStmt, FunctionStmt, IfStmt, ImportStmt, Span, Stmt, TryStmt, WhileStmt } from '../syntax/ast';
import { recordDiscardedMove } from './assignment';
import { iterate } from './containers';
import { combine } from './arithmetic';
import type { Frame } from './frame';
import type { Flow } from './flow';
import { asksForPlacement, excludedDefault, hostBranch, isWhereSpread, placementIn, settleDevice, truthOf, whereGpuExists } from './guards';
import type { Interpreter } from './interpreter';
import { noArguments } from './parameters';
import { recordPromptLoop } from './promptLoops';
import type { State } from './state';
import { none, optionsOf, unknown, type ClassValue, type Value } from './values';

export function execute(interpreter: Interpreter, statement: Stmt, frame: Frame): boolean {
  if (!interpreter.step()) {
    return true;
  }
  switch (statement.kind) {
    case 'expression':
      recordDiscardedMove(interpreter, statement, frame);
      return !isExit(statement.value);
    case 'assign': {
      if (statement.value) {
        const value = interpreter.evaluate(statement.value, frame);
        statement.targets.forEach((target) => interpreter.assign(target, value, frame));
      }
      return true;
    }
    case 'augmented': {
      const left = interpreter.evaluate(statement.target, frame);
      const right = interpreter.evaluate(statement.value, frame);
      interpreter.assign(statement.target, combine(interpreter, statement.operator.replace(/=$/, ''), left, right, statement), frame);
      return true;
    }
    case 'if':
      return executeIf(interpreter, statement, frame);
    case 'for':
      return executeFor(interpreter, statement, frame);
    case 'while':
      return executeWhile(interpreter, statement, frame);
    case 'try':
      return executeTry(interpreter, statement, frame);
    case 'with':
      return executeWith(interpreter, statement.items, statement.body, frame);
    case 'function':
      defineFunction(interpreter, statement, frame);
      return true;
    case 'class':
      defineClass(interpreter, statement, frame);
      return true;
    case 'return': {
      const flow = interpreter.functionFlow;
      const value = statement.value ? interpreter.evaluate(statement.value, frame) : none;
      if (flow) {
        flow.results.push(tagAvailability(interpreter, value));
        flow.ends.push(interpreter.state.flattenTo(flow.base));
      }
      return false;
    }
    case 'jump':
      return executeJump(interpreter, statement, frame);
    case 'import':
      executeImport(interpreter, statement, frame);
      return true;
    case 'scope':
      statement.names.forEach((name) => (statement.form === 'global' ? frame.globals : frame.nonlocals).add(name));
      return true;
    case 'delete':
      statement.targets.forEach((target) => target.kind === 'name' && interpreter.bind(target.id, unknown, frame));
      return true;
    case 'match':
      interpreter.evaluate(statement.subject, frame);
      return runBranches(interpreter, [...statement.cases.map((body) => () => interpreter.runBlock(body, frame)), () => true]);
    case 'broken':
      statement.names.forEach((name) => interpreter.bind(name, unknown, frame));
      return interpreter.runBlock(statement.body, frame);
  }
  statement satisfies never;
}

/** A device name chosen inside a branch on `is_available()` counts as chosen by it. */
export function tagAvailability(interpreter: Interpreter, value: Value): Value {
  if (interpreter.availabilityDepth === 0) {
    return value;
  }
  const name = value.kind === 'const' ? value.value : value.kind === 'device' && value.device.kind === 'literal' ? value.device.name : undefined;
  return typeof name === 'string' && (value.kind === 'device' || /^(cuda|cpu|mps|xpu|npu|hpu)(:\d+)?$/.test(name)) ? { kind: 'device', device: { kind: 'availability', name } } : value;
}

/** Runs alternatives from the same state and joins those that come out; `choose` may say better what two alternatives make of a variable. */
export function runBranches(interpreter: Interpreter, branches: readonly (() => boolean)[], choose?: (values: readonly Value[]) => Value | undefined): boolean {
  const before = interpreter.state;
  const ends: State[] = [];
  for (const branch of branches) {
    const state = before.fork();
    interpreter.state = state;
    interpreter.branches.push(interpreter.tick());
    const completes = branch();
    interpreter.branches.pop();
    if (completes) {
      ends.push(state);
    }
  }
  interpreter.state = before;
  before.joinFrom(ends, choose);
  return ends.length > 0;
}

function executeIf(interpreter: Interpreter, statement: IfStmt, frame: Frame): boolean {
  const test = interpreter.evaluate(statement.test, frame);
  const truth = truthOf(interpreter, statement.test, test);
  if (truth !== undefined) {
    return interpreter.runBlock(truth ? statement.body : statement.otherwise, frame);
  }
  const isAvailability = test.kind === 'availability';
  const isGuard = asksForPlacement(interpreter, statement.test);
  const placement = placementIn(interpreter, statement.test);
  const host = hostBranch(interpreter, statement.test, test);
  const excluded = excludedDefault(interpreter, statement.test, frame);
  const { guardedSince, plainSince, spreadSince, hostSince } = interpreter;
  const entered = isGuard || host !== undefined ? interpreter.tick() : guardedSince;
  interpreter.availabilityDepth += isAvailability ? 1 : 0;
  const completions: boolean[] = [];
  const branches = [
    { block: statement.body, says: placement.then },
    { block: statement.otherwise, says: placement.otherwise },
  ];
  const completes = runBranches(
    interpreter,
    branches.map(({ block, says }) => () => {
      const isThen = block === statement.body;
      const branch = isThen ? 'then' : 'otherwise';
      interpreter.guardedSince = isGuard || host === branch ? entered : guardedSince;
      interpreter.plainSince = says === 'plain' ? entered : plainSince;
      interpreter.spreadSince = isWhereSpread(interpreter, statement.test, branch) ? entered : spreadSince;
      interpreter.hostSince = host === branch ? entered : hostSince;
      interpreter.hostDepth += host === branch ? 1 : 0;
      if (isThen) {
        interpreter.conditions.push(interpreter.textOf(statement.test));
      }
      const isCompleted = excluded?.branch === branch ? runWith(interpreter, excluded.name, excluded.value, block, frame) : interpreter.runBlock(block, frame);
      completions.push(isCompleted);
      interpreter.hostDepth -= host === branch ? 1 : 0;
      if (isThen) {
        interpreter.conditions.pop();
      }
      return isCompleted;
    }),
    isAvailability ? ([then, otherwise]) => whereGpuExists(test, then, otherwise) : undefined,
  );
  interpreter.availabilityDepth -= isAvailability ? 1 : 0;
  // After `if model.hf_device_map: return …` the rest of the block is the other branch.
  const rest = isGuard && completes ? branches.find((_branch, position) => completions[position] === true && completions.includes(false)) : undefined;
  interpreter.guardedSince = rest ? entered : guardedSince;
  interpreter.plainSince = rest?.says === 'plain' ? entered : plainSince;
  interpreter.spreadSince = rest && isWhereSpread(interpreter, statement.test, rest.block === statement.body ? 'then' : 'otherwise') ? entered : spreadSince;
  interpreter.hostSince = hostSince;
  if (completions[0] === false && rest) {
    settleDevice(interpreter, statement.test, frame);
  }
  return completes;
}

/** Runs a block in which a variable is known better; unless the block binds it, it is afterwards what it was. */
function runWith(interpreter: Interpreter, name: string, value: Value, block: readonly Stmt[], frame: Frame): boolean {
  const before = interpreter.lookup(name, frame) ?? unknown;
  interpreter.bind(name, value, frame);
  const completes = interpreter.runBlock(block, frame);
  if (interpreter.lookup(name, frame) === value) {
    interpreter.bind(name, before, frame);
  }
  return completes;
}

function runLoop(interpreter: Interpreter, { runsAtLeastOnce, isWhile }: { readonly runsAtLeastOnce: boolean; readonly isWhile: boolean }, body: () => boolean): void {
  const before = interpreter.state;
  const flow: Flow = { kind: 'loop', base: before, ends: [], results: [], yields: [] };
  const state = before.fork();
  interpreter.state = state;
  interpreter.flows.push(flow);
  const loop = { from: interpreter.tick(), to: Infinity, isWhile };
  interpreter.loops.push(loop);
  const completes = body();
  interpreter.loops.pop();
  loop.to = interpreter.tick();
  interpreter.flows.pop();
  interpreter.state = before;
  const ends = completes ? [state, ...flow.ends] : [...flow.ends];
  if (!runsAtLeastOnce) {
    ends.push(before.fork());
  }
  before.joinFrom(ends);
}

function executeFor(interpreter: Interpreter, statement: ForStmt, frame: Frame): boolean {
  const iterable = interpreter.evaluate(statement.iterable, frame);
  const { element, isNonEmpty } = iterate(interpreter, iterable);
  const numCallsBefore = interpreter.facts.modelCalls.length;
  const eventBefore = interpreter.event;
  runLoop(interpreter, { runsAtLeastOnce: isNonEmpty, isWhile: false }, () => {
    // `for question in iter(input, ""):` asks in every round.
    optionsOf(iterable).forEach((option) => askAgain(interpreter, option));
    interpreter.assign(statement.target, element, frame);
    return interpreter.runBlock(statement.body, frame);
  });
  recordPromptLoop(interpreter, statement, iterable, frame, numCallsBefore, eventBefore);
  return interpreter.runBlock(statement.otherwise, frame);
}

function askAgain(interpreter: Interpreter, asked: Value): void {
  if (asked.kind === 'function') {
    interpreter.call(asked, noArguments);
  } else if (asked.kind === 'module' && asked.path === 'builtins.input') {
    interpreter.facts.happenings.push({ kind: 'asked', event: interpreter.tick() });
  }
}

function executeWhile(interpreter: Interpreter, statement: WhileStmt, frame: Frame): boolean {
  const test = interpreter.evaluate(statement.test, frame);
  runLoop(interpreter, { runsAtLeastOnce: truthOf(interpreter, statement.test, test) === true, isWhile: true }, () => interpreter.runBlock(statement.body, frame));
  return interpreter.runBlock(statement.otherwise, frame);
}

function executeTry(interpreter: Interpreter, statement: TryStmt, frame: Frame): boolean {
  const before = interpreter.state;
  const body = before.fork();
  interpreter.state = body;
  const { guardedSince } = interpreter;
  // Little else is tried: that the move may fail is known.
  interpreter.guardedSince = statement.handlers.length > 0 && statement.body.length <= 2 ? interpreter.tick() : guardedSince;
  const completes = interpreter.runBlock(statement.body, frame);
  interpreter.guardedSince = guardedSince;
  const ends: State[] = [];
  // A handler starts somewhere between the beginning and the end of the body.
  for (const handler of statement.handlers) {
    const state = before.fork();
    state.joinFrom([state.fork(), body.flattenTo(before)]);
    interpreter.state = state;
    if (handler.name) {
      interpreter.bind(handler.name, unknown, frame);
    }
    if (interpreter.runBlock(handler.body, frame)) {
      ends.push(state);
    }
  }
  interpreter.state = body;
  if (completes && interpreter.runBlock(statement.otherwise, frame)) {
    ends.unshift(body);
  }
  interpreter.state = before;
  if (ends.length > 0) {
    before.joinFrom(ends);
  }
  return interpreter.runBlock(statement.final, frame) && ends.length > 0;
}

function executeWith(interpreter: Interpreter, items: readonly { readonly value: Expr; readonly target?: Expr }[], body: readonly Stmt[], frame: Frame): boolean {
  const exits: (() => void)[] = [];
  let changesDefault = false;
  const isMeantToFail = items.some(({ value: expr }) => expectsError(expr));
  for (const { value: expr, target } of items) {
    const value = interpreter.evaluate(expr, frame);
    changesDefault ||= value.kind === 'device';
    const object = interpreter.object(value);
    let entered: Value = object?.kind === 'list' ? object.element : value;
    if (value.kind === 'ref' && object?.kind === 'instance') {
      const enter = interpreter.classAttribute(object.cls, '__enter__');
      const exit = interpreter.classAttribute(object.cls, '__exit__');
      entered = enter?.kind === 'function' ? interpreter.call({ ...enter, self: value, owner: object.cls }, noArguments) : value;
      if (exit?.kind === 'function') {
        exits.push(() => interpreter.call({ ...exit, self: value, owner: object.cls }, undefined));
      }
    }
    if (target) {
      interpreter.assign(target, entered, frame);
    }
  }
  const defaultDeviceChanged = interpreter.defaultDeviceChanged;
  interpreter.defaultDeviceChanged ||= changesDefault;
  interpreter.silentDepth += isMeantToFail ? 1 : 0;
  const completes = interpreter.runBlock(body, frame);
  interpreter.silentDepth -= isMeantToFail ? 1 : 0;
  interpreter.defaultDeviceChanged = changesDefault ? defaultDeviceChanged : interpreter.defaultDeviceChanged;
  exits.reverse().forEach((exit) => exit());
  return completes;
}

/** `with self.assertRaises(…):`, `with pytest.raises(…):`, `pytest.warns(…)`: a test provokes the mistake on purpose. */
function expectsError(expr: Expr): boolean {
  const name = expr.kind !== 'call' ? '' : expr.func.kind === 'attribute' ? expr.func.name : expr.func.kind === 'name' ? expr.func.id : '';
  return /^(assertRaises|assertRaisesRegex|assertWarns|assertWarnsRegex|raises|warns)$/.test(name);
}

function executeJump(interpreter: Interpreter, statement: Extract<Stmt, { kind: 'jump' }>, frame: Frame): boolean {
  if (statement.value) {
    interpreter.evaluate(statement.value, frame);
  }
  if (statement.form === 'pass') {
    return true;
  }
  const flow = interpreter.flows.at(-1);
  if (statement.form !== 'raise' && flow?.kind === 'loop') {
    flow.ends.push(interpreter.state.flattenTo(flow.base));
  }
  return false;
}

function executeImport(interpreter: Interpreter, statement: ImportStmt, frame: Frame): void {
  for (const { name, alias } of statement.names) {
    if (name === '*') {
      continue;
    }
    const path = statement.module === undefined ? name : `${statement.module}.${name}`;
    const first = name.split('.')[0] ?? name;
    if (statement.module === undefined && alias === undefined) {
      interpreter.bind(first, { kind: 'module', path: first }, frame);
    } else {
      interpreter.bind(alias ?? name, { kind: 'module', path }, frame);
    }
  }
}

function defineFunction(interpreter: Interpreter, statement: FunctionStmt, frame: Frame): void {
  const value = { kind: 'function', def: statement, closure: frame.kind === 'class' && frame.parent ? frame.parent : frame } as const;
  statement.decorators.forEach((decorator) => interpreter.evaluate(decorator, frame));
  interpreter.bind(statement.name, value, frame);
  interpreter.definitions.addFunction(value);
}

function defineClass(interpreter: Interpreter, statement: ClassStmt, frame: Frame): void {
  const classFrame = interpreter.newFrame('class', frame);
  const cls: ClassValue = { kind: 'class', def: statement, frame: classFrame, bases: statement.bases.map((base) => interpreter.evaluate(base, frame)) };
  interpreter.runBlock(statement.body, classFrame);
  interpreter.bind(statement.name, cls, frame);
  interpreter.definitions.classes.add(cls);
}

/** `exit()`, `quit()`, `sys.exit()`, `os._exit()`. */
function isExit(expr: Expr): boolean {
  if (expr.kind !== 'call') {
    return false;
  }
  const { func } = expr;
  return (func.kind === 'name' && (func.id === 'exit' || func.id === 'quit')) || (func.kind === 'attribute' && (func.name === 'exit' || func.name === '_exit') && func.object.kind === 'name' && (func.object.id === 'sys' || func.object.id === 'os'));
}

/** True for statements whose place in the text matters to a reader, used to tell displayed expressions. */
export function isWithin(inner: Span, outer: Span): boolean {
  return inner.start >= outer.start && inner.end <= outer.end;
}
