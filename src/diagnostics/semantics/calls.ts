/** Calls: what is called decides who answers — the file's own code, a library's model, or nobody. */
import type { CallExpr, Expr } from '../syntax/ast';
import { regionsOf } from './arithmetic';
import { attributeOf } from './attributes';
import { evaluateArguments } from './expressions';
import type { Frame } from './frame';
import type { Interpreter } from './interpreter';
import type { CallArguments } from './parameters';
import { joinValues } from './join';
import { callLibrary } from './library/library';
import { perhapsLoadedModel } from './library/loading';
import { callTokenizer, isTensorRequest } from './library/tokenizers';
import { consume, modelMethod } from './models';
import { invokeMethod } from './methods';
import { perhapsGivenModel } from './perhapsModel';
import { optionsOf, unknown, type Value } from './values';

/** One call under evaluation, as library knowledge sees it. */
export interface CallSite {
  readonly interpreter: Interpreter;
  readonly call: CallExpr;
  readonly args: CallArguments;
  readonly frame: Frame;
}

export function evaluateCall(interpreter: Interpreter, call: CallExpr, frame: Frame): Value {
  const superclass = call.func.kind === 'attribute' && isSuperCall(call.func.object);
  if (superclass && call.func.kind === 'attribute') {
    return callSuper({ interpreter, call, frame, args: evaluateArguments(interpreter, call.args, frame) }, call.func.name);
  }
  const func = call.func.kind === 'attribute' ? attributeOf(interpreter, interpreter.evaluate(call.func.object, frame), call.func) : interpreter.evaluate(call.func, frame);
  const args = evaluateArguments(interpreter, call.args, frame);
  return invoke({ interpreter, call, args, frame }, func);
}

/** Calls every alternative of `func`; methods of alternatives of one receiver are called once, on all of them. */
export function invoke(site: CallSite, func: Value): Value {
  const options = optionsOf(func);
  const methods = options.filter((option) => option.kind === 'method');
  const models = options.filter((option) => site.interpreter.object(option)?.kind === 'model');
  const results: Value[] = [];
  const [method] = methods;
  if (method) {
    const receivers = methods.map((option) => option.receiver);
    const isPerhaps = options.some((option) => option.kind === 'unknown');
    results.push(invokeMethod(site, (isPerhaps ? [...receivers, unknown] : receivers).reduce(joinValues), method.name, method.expr));
  }
  if (models.length > 0) {
    const moved = options.filter((option) => option.kind === 'tensor');
    results.push(consume(site, [...models, ...moved].reduce(joinValues), options.length === models.length, 'forward', site.call.func));
  }
  for (const option of options) {
    if (option.kind !== 'method' && !models.includes(option) && !(method && option.kind === 'unknown')) {
      results.push(invokeOption(site, option));
    }
  }
  return results.length > 0 ? results.reduce(joinValues) : unknown;
}

function invokeOption(site: CallSite, func: Value): Value {
  const { interpreter, args } = site;
  switch (func.kind) {
    case 'function':
      return interpreter.call(func, args);
    case 'class':
      return interpreter.instantiate(func, args);
    case 'module':
      return callLibrary(site, func.path);
    case 'ref':
      return invokeObject(site, func);
    case 'elapsed':
      // `(datetime.now() - start).total_seconds()`
      return func;
    default:
      return callUnknown(site);
  }
}

function invokeObject(site: CallSite, func: Extract<Value, { kind: 'ref' }>): Value {
  const object = site.interpreter.object(func);
  if (object?.kind === 'tokenizer') {
    return callTokenizer(site, '__call__', func);
  }
  if (object?.kind === 'instance') {
    const target = site.interpreter.classAttribute(object.cls, '__call__') ?? site.interpreter.classAttribute(object.cls, 'forward');
    return target?.kind === 'function' ? site.interpreter.call({ ...target, self: func, owner: object.cls }, site.args) : callUnknown(site);
  }
  if (object?.kind === 'pipeline') {
    return unknown;
  }
  return callUnknown(site);
}

/** Nothing is known of the callee: its shape may still tell a tokenizer or a model, and callbacks still run. */
export function callUnknown(site: CallSite, path?: string): Value {
  const { interpreter, call, args } = site;
  const callback = callThroughExecutor(site);
  if (callback) {
    return callback;
  }
  runCallbacks(site);
  if (isTensorRequest(args)) {
    return callTokenizer(site, '__call__');
  }
  const name = call.func.kind === 'name' ? call.func.id : call.func.kind === 'attribute' ? call.func.name : '';
  const isGivenModel = [...args.positional, ...args.keywords.values()].some(({ value }) => interpreter.modelsIn(value).length > 0);
  if (!isGivenModel && /(^|_)model$/i.test(name) && !/^(patch|convert|wrap|load|get|create|build|make|init|prepare|setup|eval|test|train|run|save|del|free)/.test(name)) {
    return consume(site, unknown, false, 'forward', call.func);
  }
  if (/synchronize/.test(name)) {
    interpreter.facts.happenings.push({ kind: 'sync', event: interpreter.tick() });
  }
  if (mayReadBack(site, name)) {
    interpreter.facts.happenings.push({ kind: 'unseen', event: interpreter.tick() });
  }
  escape(site);
  const rate = namedRate(site, name);
  if (rate) {
    return rate;
  }
  return perhapsGivenModel(site) ?? perhapsLoadedModel(site, path) ?? unknown;
}

/** Methods of tensors that only queue more work, and what touches no tensor. */
const queueing = new Set([
  'mean', 'sum', 'max', 'min', 'argmax', 'softmax', 'log_softmax', 'sigmoid', 'topk', 'gather', 'norm', 'normalize', 'detach', 'clone', 'contiguous', 'view', 'reshape', 'squeeze', 'unsqueeze', 'flatten', 'expand', 'repeat',
  'transpose', 'permute', 'flip', 'float', 'half', 'bfloat16', 'long', 'type', 'type_as', 'size', 'dim', 'numel', 'append', 'extend', 'update', 'get', 'keys', 'values', 'items', 'pop', 'info', 'debug', 'warning', 'format', 'zero_grad', 'eval', 'train',
]);

/** Something is called that the file does not show, with what a model may have returned. */
function mayReadBack({ call, args }: CallSite, name: string): boolean {
  const given = [...args.positional, ...args.keywords.values(), ...args.mappings];
  return !queueing.has(name) && (call.func.kind === 'attribute' || given.some(({ value, expr }) => expr?.kind !== 'string' && mayHoldTensor(value)));
}

/** A tensor, or something that nobody knows, which may be one: also `outputs.logits` of unknown outputs. */
export function mayHoldTensor(value: Value): boolean {
  return optionsOf(value).some((option) => option.kind === 'tensor' || option.kind === 'unknown' || (option.kind === 'method' && mayHoldTensor(option.receiver)));
}

/** `calculate_tokens_per_second(num_tokens, seconds)` of another file: a time goes in, and the name says that a speed comes out. */
export function namedRate({ interpreter, call, args }: CallSite, name: string): Value | undefined {
  if (!/(tokens?|toks?|requests?|samples?|words?|items?)_?per_?s(ec|econd)?s?$|throughput$|_tps$/i.test(name)) {
    return undefined;
  }
  const regions = [...args.positional, ...args.keywords.values()].flatMap(({ value }) => regionsOf(value) ?? []);
  if (regions.length > 0 && interpreter.isRecording) {
    interpreter.facts.rates.push({ expr: call, regions, callDepth: interpreter.callDepth });
  }
  return regions.length > 0 ? { kind: 'rate', regions } : undefined;
}

/** `executor.submit(model.generate, …)`, `asyncio.to_thread(model.generate, …)`: the first argument is called with the rest. */
function callThroughExecutor(site: CallSite): Value | undefined {
  const position = site.args.positional.findIndex(({ value }) => optionsOf(value).some((option) => option.kind === 'method'));
  const target = site.args.positional[position]?.value;
  const method = target && optionsOf(target).find((option) => option.kind === 'method');
  if (!method || site.interpreter.modelsIn(method.receiver).length === 0 || method.name !== 'generate') {
    return undefined;
  }
  modelMethod({ ...site, args: { ...site.args, positional: site.args.positional.slice(position + 1) } }, method.receiver, method.name, method.expr);
  return unknown;
}

/**
 * Functions handed to unknown code will be called by it.
 * When a model goes along (`run_eval(model, tokenizer, forward)`), it reaches the parameter of the same name.
 */
export function runCallbacks(site: CallSite): void {
  const { interpreter, args } = site;
  const given: { readonly value: Value; readonly expr?: Expr; readonly name?: string }[] = [...args.positional, ...[...args.keywords].map(([name, arg]) => ({ ...arg, name }))];
  const byName = new Map<string, { readonly value: Value }>();
  for (const arg of given) {
    const names = [arg.name, arg.expr?.kind === 'name' ? arg.expr.id : undefined];
    names.forEach((name) => name !== undefined && byName.set(name, { value: arg.value }));
  }
  const hasModel = given.some(({ value }) => interpreter.modelsIn(value).length > 0);
  for (const { value } of given) {
    if (value.kind !== 'function') {
      continue;
    }
    const known = value.def.params.filter((param) => byName.has(param.name));
    const isBoundToModel = [...(value.bound?.values() ?? [])].some((bound) => interpreter.modelsIn(bound).length > 0);
    if (isBoundToModel) {
      // `dataset.map(partial(evaluate, model=model, device=device))`: the examples are unknown, the rest is given.
      interpreter.call(value, undefined);
    } else if (hasModel && known.length > 0) {
      const keywords = new Map(value.def.params.filter((param) => param.form === 'plain').map((param) => [param.name, byName.get(param.name) ?? { value: unknown }] as const));
      interpreter.call(value, { positional: [], keywords, mappings: [], hasListUnpack: false });
    } else if (value.def.kind === 'lambda') {
      interpreter.call(value, undefined);
    }
  }
}

/** A batch handed to unknown code may come back moved; a model handed over with it will meet it there. */
export function escape(site: CallSite): void {
  const { interpreter, args } = site;
  const given = [...args.positional, ...args.keywords.values()].find(({ value }) => interpreter.modelsIn(value).length > 0);
  if (given?.expr) {
    consume(site, given.value, false, 'handed', given.expr);
  }
  for (const { value } of [...args.positional, ...args.keywords.values()]) {
    for (const option of optionsOf(value)) {
      const object = interpreter.object(option);
      if (option.kind === 'ref' && object?.kind === 'batch') {
        interpreter.update(option, { ...object, places: [...object.places, { kind: 'unknown' }] });
      }
    }
  }
}

function isSuperCall(expr: Expr): boolean {
  return expr.kind === 'call' && expr.func.kind === 'name' && expr.func.id === 'super';
}

function callSuper(site: CallSite, name: string): Value {
  const { interpreter, frame, args } = site;
  for (let current: Frame | undefined = frame; current; current = current.parent) {
    const self = current.self?.value;
    const instance = self && interpreter.object(self);
    if (instance?.kind === 'instance') {
      for (const base of instance.cls.bases) {
        const method = base.kind === 'class' ? interpreter.classAttribute(base, name) : undefined;
        if (method?.kind === 'function') {
          return interpreter.call({ ...method, self }, args);
        }
      }
      return unknown;
    }
  }
  return unknown;
}
