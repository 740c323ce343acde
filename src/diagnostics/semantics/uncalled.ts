/** What nobody in the file calls: entry points for a web server, a test runner or another file. */
import type { FunctionStmt } from '../syntax/ast';
import { effectiveNames } from './effects';
import type { Interpreter } from './interpreter';
import type { FunctionValue } from './values';

/** Effects are thrown away, findings are kept. */
function runAlone(interpreter: Interpreter, body: () => void): void {
  const before = interpreter.state;
  interpreter.state = before.fork();
  body();
  interpreter.state = before;
}

/** Follows a function that somebody else will call, with unknown arguments. */
export function runAsEntry(interpreter: Interpreter, target: FunctionValue, prepare?: () => void): void {
  runAlone(interpreter, () => {
    const { entry } = interpreter;
    interpreter.entry = target.def;
    prepare?.();
    interpreter.call(target, undefined);
    interpreter.entry = entry;
  });
}

/** Follows every function that no call has reached, with unknown arguments and in the order of the text. */
export function runUncalled(interpreter: Interpreter): void {
  const { definitions } = interpreter;
  const entries = uncalledEntries(interpreter);
  // First only for what they set: `global model` in a start-up hook, `self.model` in a load() method.
  const effective = effectiveNames(definitions.functions.keys());
  interpreter.silentDepth++;
  for (const target of entries) {
    if (target.def.kind === 'function' && effective.has(target.def.name)) {
      runForEffects(interpreter, target);
    }
  }
  interpreter.silentDepth--;
  definitions.forgetActivations();
  for (const target of entries) {
    if (!definitions.called.has(target.def)) {
      runAsEntry(interpreter, target, () => {
        if (!target.self) {
          takeBackLaterMoves(interpreter, target.def.start);
        }
      });
    }
  }
}

/** A script calls one of its functions, which moves the model: those above it, which nobody calls, are other ways to run it, and find the model where it was loaded. */
function takeBackLaterMoves(interpreter: Interpreter, start: number): void {
  for (const id of interpreter.facts.finalModels.keys()) {
    const object = interpreter.state.object(id);
    if (object?.kind === 'model' && object.movedBy && object.movedBy.start > start) {
      interpreter.state.setObject(id, { ...object, placements: object.movedBy.before });
    }
  }
}

function runForEffects(interpreter: Interpreter, target: FunctionValue): void {
  const before = interpreter.state;
  const after = before.fork();
  interpreter.state = after;
  interpreter.call(target, undefined);
  interpreter.state = before;
  before.joinFrom([before.fork(), after]);
}

function uncalledEntries(interpreter: Interpreter): readonly FunctionValue[] {
  const { called, classes, functions, instances } = interpreter.definitions;
  const entries: FunctionValue[] = [];
  const methods = new Set<FunctionStmt>();
  for (const cls of classes) {
    let self = instances.get(cls.def);
    for (const statement of cls.def.body) {
      if (statement.kind !== 'function') {
        continue;
      }
      methods.add(statement);
      const method = interpreter.classAttribute(cls, statement.name);
      if (statement.name !== '__init__' && method?.kind === 'function' && method.def === statement && !called.has(statement)) {
        self ??= interpreter.instantiate(cls, undefined);
        entries.push({ ...method, self, owner: cls });
      }
    }
    self ??= interpreter.instantiate(cls, undefined);
  }
  for (const [def, value] of functions) {
    if (!methods.has(def) && !called.has(def) && value.closure.kind !== 'function') {
      entries.push(value);
    }
  }
  return entries.sort((a, b) => a.def.start - b.def.start);
}
