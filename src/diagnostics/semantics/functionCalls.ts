/** Inlining: a call of the file's own function runs its body in a state of its own, and joins what comes out. */
import type { CallArguments } from './parameters';
import { bindParameters } from './parameters';
import type { Flow } from './flow';
import type { Interpreter } from './interpreter';
import { joinValues } from './join';
import { runAsEntry } from './uncalled';
import { none, unknown, type FunctionValue, type Value } from './values';

const maxCallDepth = 14;
const maxActivations = 12;

/**
 * Inlines a call. `args` undefined means nobody in this file makes the call: parameters are unknown.
 * Too deep or too often, and the result is unknown.
 */
export function callFunction(interpreter: Interpreter, target: FunctionValue, args: CallArguments | undefined): Value {
  const { definitions, facts } = interpreter;
  const { def } = target;
  if (interpreter.callDepth >= maxCallDepth || !interpreter.step() || definitions.activate(def) >= maxActivations) {
    facts.happenings.push({ kind: 'unseen', event: interpreter.tick() });
    return unknown;
  }
  if (interpreter.isRecording) {
    definitions.called.add(def);
  }
  const base = interpreter.state;
  const local = base.fork();
  const flow: Flow = { kind: 'function', base, ends: [], results: [], yields: [] };
  const { availabilityDepth } = interpreter;
  const numCallsBefore = facts.modelCalls.length;
  interpreter.callDepth++;
  const names = [...(target.owner ? [target.owner.def.name] : []), ...(def.kind === 'function' ? [def.name] : [])];
  interpreter.within.push(...names);
  interpreter.availabilityDepth = 0;
  interpreter.state = local;
  interpreter.flows.push(flow);
  const frame = interpreter.newFrame('function', target.closure, target.self ? undefined : def.start);
  const numDefinitionsBefore = definitions.history.length;
  bindParameters(interpreter, target, args, frame);
  let completes = true;
  if (def.kind === 'lambda') {
    flow.results.push(interpreter.evaluate(def.body, frame));
  } else {
    completes = interpreter.runBlock(def.body, frame);
    runNested(interpreter, numDefinitionsBefore);
  }
  interpreter.flows.pop();
  interpreter.state = base;
  interpreter.availabilityDepth = availabilityDepth;
  interpreter.callDepth--;
  interpreter.within.splice(interpreter.within.length - names.length);
  const ends = completes ? [local, ...flow.ends] : flow.ends;
  if (ends.length > 0) {
    base.joinFrom(ends);
  }
  for (const modelCall of facts.modelCalls.slice(numCallsBefore)) {
    modelCall.toEvent = Math.min(modelCall.toEvent, interpreter.tick());
  }
  if (def.kind === 'function' && def.isGenerator) {
    return interpreter.allocate({ kind: 'list', element: flow.yields.length > 0 ? flow.yields.reduce(joinValues) : unknown });
  }
  return flow.results.length > 0 ? flow.results.reduce(joinValues) : none;
}

/** Inner functions handed to a library (`gr.Interface(fn=evaluate)`) run later, with unknown arguments and this state. */
function runNested(interpreter: Interpreter, numDefinitionsBefore: number): void {
  const { called, history } = interpreter.definitions;
  for (const value of history.slice(numDefinitionsBefore)) {
    if (!called.has(value.def) && value.closure.kind === 'function') {
      runAsEntry(interpreter, value);
    }
  }
}
