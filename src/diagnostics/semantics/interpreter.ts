/**
 * Follows a program abstractly: every path once, calls of the file's own functions inlined, loops one time round.
 *
 * One run per text. Facts are recorded as they happen; nothing is reported here.
 * Work is bounded: after {@link maxSteps} evaluations, or too many activations of one function, everything further is unknown.
 */
import type { Expr, FunctionStmt, LambdaExpr, Span, Stmt } from '../syntax/ast';
import { assignTo } from './assignment';
import { effectiveNames } from './effects';
import { evaluate } from './expressions';
import { emptyFacts, type Facts } from './facts';
import type { Frame } from './frame';
import { variableKey } from './frame';
import { joinValues } from './join';
import { execute } from './statements';
import { underName } from './perhapsModel';
import { State } from './state';
import { none, optionsOf, unknown, type ClassValue, type HeapObject, type InstanceObject, type ModelObject, type RefValue, type Value } from './values';

const maxSteps = 300_000;
const maxCallDepth = 14;
const maxActivations = 12;

/** Where jumps out of a loop or function leave their state. */
export interface Flow {
  readonly kind: 'loop' | 'function';
  readonly base: State;
  readonly ends: State[];
  readonly results: Value[];
  readonly yields: Value[];
}

export interface CallArguments {
  readonly positional: readonly { readonly value: Value; readonly expr?: Expr }[];
  readonly keywords: ReadonlyMap<string, { readonly value: Value; readonly expr?: Expr }>;
  /** `**x` at the call. */
  readonly mappings: readonly { readonly value: Value; readonly expr?: Expr }[];
  /** `*x` at the call: positions are unknown. */
  readonly hasListUnpack: boolean;
}

export const noArguments: CallArguments = { positional: [], keywords: new Map(), mappings: [], hasListUnpack: false };

type FunctionValue = Extract<Value, { kind: 'function' }>;

export class Interpreter {
  readonly facts: Facts = emptyFacts();
  state = new State();
  /** A clock that ticks whenever something worth ordering happens. */
  event = 0;
  /** Above zero inside a branch decided by `is_available()`. */
  availabilityDepth = 0;
  /** Above zero inside a branch that asks where a model is or how it was loaded. */
  placementGuardDepth = 0;
  /** Above zero while only effects are wanted, not findings. */
  silentDepth = 0;
  /** `torch.set_default_device` or the like was seen: new tensors may start anywhere. */
  defaultDeviceChanged = false;
  /** Last expressions of notebook cells. */
  readonly displayed = new Set<number>();
  readonly flows: Flow[] = [];
  readonly moduleFrame: Frame;

  private steps = 0;
  private callDepth = 0;
  private nextId = 1;
  private readonly activations = new Map<FunctionStmt | LambdaExpr, number>();
  private readonly called = new Set<FunctionStmt | LambdaExpr>();
  /** Functions by definition order, as last bound. */
  private readonly defined = new Map<FunctionStmt, FunctionValue>();
  /** The same, one entry for each time a definition ran. */
  private readonly definitions: FunctionValue[] = [];
  private readonly classes = new Set<ClassValue>();
  private readonly instances = new Map<ClassValue['def'], RefValue>();

  constructor(readonly source: string) {
    this.moduleFrame = this.newFrame('module');
  }

  /** Follows the module, then everything in it that nobody called. */
  run(statements: readonly Stmt[]): Facts {
    for (const statement of statements) {
      // Code after an unconditional exit() is still code that somebody will run.
      execute(this, statement, this.moduleFrame);
    }
    this.runUncalled();
    return this.facts;
  }

  newFrame(kind: Frame['kind'], parent?: Frame): Frame {
    return { id: this.nextId++, kind, parent, modelNames: new Set(), globals: new Set(), nonlocals: new Set() };
  }

  /** False once the budget is used up. */
  step(): boolean {
    return ++this.steps <= maxSteps;
  }

  /** The innermost function being followed. */
  get functionFlow(): Flow | undefined {
    return [...this.flows].reverse().find((flow) => flow.kind === 'function');
  }

  get isRecording(): boolean {
    return this.silentDepth === 0;
  }

  tick(): number {
    return ++this.event;
  }

  textOf(span: Span): string {
    return this.source.slice(span.start, span.end);
  }

  evaluate(expr: Expr, frame: Frame): Value {
    return evaluate(this, expr, frame);
  }

  assign(target: Expr, value: Value, frame: Frame): void {
    assignTo(this, target, value, frame);
  }

  // Heap

  allocate(object: HeapObject): RefValue {
    const id = this.nextId++;
    this.state.setObject(id, object);
    return object.kind === 'model' ? { kind: 'ref', id, loadedAt: object.origin.start } : { kind: 'ref', id };
  }

  object(value: Value): HeapObject | undefined {
    return value.kind === 'ref' ? this.state.object(value.id) : undefined;
  }

  update(ref: RefValue, object: HeapObject): void {
    this.state.setObject(ref.id, object);
    if (object.kind === 'model') {
      this.facts.finalModels.set(ref.id, object);
    }
  }

  /** The models among the alternatives of a value. */
  modelsIn(value: Value): { readonly ref: RefValue; readonly model: ModelObject }[] {
    return optionsOf(value).flatMap((option) => {
      const object = this.object(option);
      return option.kind === 'ref' && object?.kind === 'model' ? [{ ref: option, model: object }] : [];
    });
  }

  // Names

  lookup(name: string, frame: Frame): Value | undefined {
    for (let current: Frame | undefined = frame; current; current = current.parent) {
      // A class body's names are not visible from its methods.
      if (current.kind === 'class' && current !== frame) {
        continue;
      }
      const value = this.state.get(variableKey(current, name));
      if (value) {
        return value;
      }
    }
    return undefined;
  }

  bind(name: string, bound: Value, frame: Frame): void {
    const owner = this.ownerOf(name, frame);
    const value = underName(bound, name);
    if (optionsOf(value).some((option) => option.kind === 'ref')) {
      owner.modelNames.add(name);
    }
    this.state.set(variableKey(owner, name), value);
  }

  private ownerOf(name: string, frame: Frame): Frame {
    if (frame.globals.has(name)) {
      return this.moduleFrame;
    }
    if (frame.nonlocals.has(name)) {
      for (let current = frame.parent; current; current = current.parent) {
        if (this.state.get(variableKey(current, name))) {
          return current;
        }
      }
    }
    return frame;
  }

  /** Every model that has a name here: model id → dotted names, the shortest and innermost first. */
  visibleModels(frame: Frame): ReadonlyMap<number, readonly string[]> {
    const found = new Map<number, string[]>();
    if (this.facts.finalModels.size === 0) {
      return found;
    }
    const add = (value: Value | undefined, text: string): void => {
      const [only, ...others] = value ? optionsOf(value) : [];
      for (const option of only ? [only, ...others] : []) {
        if (option.kind === 'ref' && this.object(option)?.kind === 'model') {
          const names = found.get(option.id) ?? [];
          if (!names.includes(text)) {
            found.set(option.id, [...names, text]);
          }
        }
      }
    };
    for (let current: Frame | undefined = frame; current; current = current.parent) {
      for (const name of current.modelNames) {
        if (this.lookup(name, frame) === this.state.get(variableKey(current, name))) {
          add(this.lookup(name, frame), name);
        }
      }
      if (current.self) {
        const instance = this.object(current.self.value);
        if (instance?.kind === 'instance') {
          instance.attributes.forEach((value, name) => add(value, `${current.self?.name}.${name}`));
        }
      }
    }
    return found;
  }

  // Classes

  defineClass(cls: ClassValue): void {
    this.classes.add(cls);
  }

  /** A class attribute or method, looked up through the bases this file defines. */
  classAttribute(cls: ClassValue, name: string): Value | undefined {
    const own = this.state.get(variableKey(cls.frame, name));
    if (own) {
      return own;
    }
    for (const base of cls.bases) {
      const inherited = base.kind === 'class' && base.def !== cls.def ? this.classAttribute(base, name) : undefined;
      if (inherited) {
        return inherited;
      }
    }
    return undefined;
  }

  instantiate(cls: ClassValue, args: CallArguments | undefined): RefValue {
    const ref = this.allocate({ kind: 'instance', cls, attributes: new Map() });
    this.instances.set(cls.def, ref);
    const init = this.classAttribute(cls, '__init__');
    if (init?.kind === 'function') {
      this.call({ ...init, self: ref, owner: cls }, args);
    }
    return ref;
  }

  instanceAttribute(instance: InstanceObject, self: RefValue, name: string): Value | undefined {
    const own = instance.attributes.get(name);
    if (own) {
      return own;
    }
    const inherited = this.classAttribute(instance.cls, name);
    return inherited?.kind === 'function' ? { ...inherited, self, owner: instance.cls } : inherited;
  }

  // Functions

  defineFunction(value: FunctionValue): void {
    if (value.def.kind === 'function') {
      this.defined.set(value.def, value);
      this.definitions.push(value);
    }
  }

  /**
   * Inlines a call. `args` undefined means nobody in this file makes the call: parameters are unknown.
   */
  call(target: FunctionValue, args: CallArguments | undefined): Value {
    const { def } = target;
    const count = this.activations.get(def) ?? 0;
    if (this.callDepth >= maxCallDepth || count >= maxActivations || !this.step()) {
      return unknown;
    }
    this.activations.set(def, count + 1);
    if (this.isRecording) {
      this.called.add(def);
    }
    const base = this.state;
    const local = base.fork();
    const flow: Flow = { kind: 'function', base, ends: [], results: [], yields: [] };
    const availabilityDepth = this.availabilityDepth;
    const numCallsBefore = this.facts.modelCalls.length;
    this.callDepth++;
    this.availabilityDepth = 0;
    this.state = local;
    this.flows.push(flow);
    const frame = this.newFrame('function', target.closure);
    const numDefinitionsBefore = this.definitions.length;
    this.bindParameters(target, args, frame);
    let completes = true;
    if (def.kind === 'lambda') {
      flow.results.push(this.evaluate(def.body, frame));
    } else {
      completes = this.runBlock(def.body, frame);
      this.runNested(numDefinitionsBefore);
    }
    this.flows.pop();
    this.state = base;
    this.availabilityDepth = availabilityDepth;
    this.callDepth--;
    const ends = completes ? [local, ...flow.ends] : flow.ends;
    if (ends.length > 0) {
      base.joinFrom(ends);
    }
    for (const modelCall of this.facts.modelCalls.slice(numCallsBefore)) {
      modelCall.toEvent = Math.min(modelCall.toEvent, this.tick());
    }
    if (def.kind === 'function' && def.isGenerator) {
      return this.allocate({ kind: 'list', element: flow.yields.length > 0 ? flow.yields.reduce(joinValues) : unknown });
    }
    return flow.results.length > 0 ? flow.results.reduce(joinValues) : none;
  }

  /** Runs statements in order; false when control does not reach the end. */
  runBlock(statements: readonly Stmt[], frame: Frame): boolean {
    for (const statement of statements) {
      if (!execute(this, statement, frame)) {
        return false;
      }
    }
    return true;
  }

  private bindParameters(target: FunctionValue, args: CallArguments | undefined, frame: Frame): void {
    const params = [...target.def.params];
    const isStatic = target.def.kind === 'function' && target.def.decorators.some((decorator) => decorator.kind === 'name' && decorator.id === 'staticmethod');
    if (target.self && !isStatic) {
      const self = params.shift();
      if (self) {
        this.bind(self.name, target.self, frame);
        frame.self = { name: self.name, value: target.self };
      }
    }
    const positional = [...(args?.positional ?? [])];
    const keywords = new Map<string, { readonly value: Value }>([...(target.bound ?? [])].map(([name, value]) => [name, { value }] as const));
    args?.keywords.forEach((arg, name) => keywords.set(name, arg));
    const spread = new Map<string, Value>();
    let restKnown = true;
    for (const { value } of args?.mappings ?? []) {
      const object = this.object(value);
      if (object?.kind === 'dict') {
        object.entries.forEach((entry, key) => spread.set(key, entry));
        restKnown &&= object.rest === undefined;
      } else {
        restKnown = false;
      }
    }
    for (const param of params) {
      if (param.form === 'list') {
        const element = positional.length > 0 ? positional.map((arg) => arg.value).reduce(joinValues) : unknown;
        this.bind(param.name, this.allocate({ kind: 'list', element, items: args?.hasListUnpack ? undefined : positional.map((arg) => arg.value) }), frame);
        positional.length = 0;
      } else if (param.form === 'mapping') {
        const entries = new Map(spread);
        keywords.forEach((arg, key) => entries.set(key, arg.value));
        const single = args?.mappings.length === 1 && keywords.size === 0 ? args.mappings[0]?.value : undefined;
        const rest = args && restKnown ? undefined : unknown;
        this.bind(param.name, single && !restKnown ? single : this.allocate({ kind: 'dict', entries, rest }), frame);
      } else {
        const given = args?.hasListUnpack ? undefined : positional.shift();
        const byName = keywords.get(param.name)?.value ?? spread.get(param.name);
        keywords.delete(param.name);
        spread.delete(param.name);
        this.bind(param.name, given?.value ?? byName ?? this.defaultOf(param, args, target.closure, restKnown), frame);
      }
    }
  }

  private defaultOf(param: FunctionStmt['params'][number], args: CallArguments | undefined, closure: Frame, restKnown: boolean): Value {
    const { defaultValue } = param;
    if (!args && param.name === 'device_map' && defaultValue?.kind === 'string' && defaultValue.value !== undefined) {
      return { kind: 'const', value: defaultValue.value, fromDefault: true, mayDiffer: true };
    }
    const annotated = param.annotation !== undefined && /\b(Long|Float|Int|Half|BFloat16)?Tensor$/.test(param.annotation.replace(/^Optional\[(.*)\]$/, '$1'));
    const isCpuByDefault = param.defaultValue?.kind === 'string' && param.defaultValue.value === 'cpu';
    if ((!args && !isCpuByDefault) || args?.hasListUnpack || !restKnown || !param.defaultValue) {
      return annotated ? { kind: 'tensor', places: [{ kind: 'unknown' }] } : unknown;
    }
    const value = this.evaluate(param.defaultValue, closure);
    return value.kind === 'const' ? { ...value, fromDefault: true } : value;
  }

  // What nobody called

  /** Inner functions handed to a library (`gr.Interface(fn=evaluate)`) run later, with unknown arguments and this state. */
  private runNested(numDefinitionsBefore: number): void {
    for (const value of this.definitions.slice(numDefinitionsBefore)) {
      if (!this.called.has(value.def) && value.closure.kind === 'function') {
        this.runAlone(() => this.call(value, undefined));
      }
    }
  }

  /** Effects are thrown away, findings are kept. */
  private runAlone(body: () => void): void {
    const before = this.state;
    this.state = before.fork();
    body();
    this.state = before;
  }

  private runUncalled(): void {
    const entries = this.uncalledEntries();
    // First only for what they set: `global model` in a start-up hook, `self.model` in a load() method.
    this.silentDepth++;
    const effective = effectiveNames(this.defined.keys());
    for (const { target } of entries) {
      if (target.def.kind === 'function' && !effective.has(target.def.name)) {
        continue;
      }
      const before = this.state;
      const after = before.fork();
      this.state = after;
      this.call(target, undefined);
      this.state = before;
      before.joinFrom([before.fork(), after]);
    }
    this.silentDepth--;
    this.activations.clear();
    for (const { target } of entries) {
      if (!this.called.has(target.def)) {
        this.runAlone(() => this.call(target, undefined));
      }
    }
  }

  private uncalledEntries(): { readonly target: FunctionValue }[] {
    const entries: { target: FunctionValue }[] = [];
    const methods = new Set<FunctionStmt>();
    for (const cls of this.classes) {
      let self = this.instances.get(cls.def);
      for (const statement of cls.def.body) {
        if (statement.kind !== 'function') {
          continue;
        }
        methods.add(statement);
        const method = this.classAttribute(cls, statement.name);
        if (statement.name !== '__init__' && method?.kind === 'function' && method.def === statement && !this.called.has(statement)) {
          self ??= this.instantiate(cls, undefined);
          entries.push({ target: { ...method, self, owner: cls } });
        }
      }
      self ??= this.instantiate(cls, undefined);
    }
    for (const [def, value] of this.defined) {
      if (!methods.has(def) && !this.called.has(def) && value.closure.kind !== 'function') {
        entries.push({ target: value });
      }
    }
    return entries.sort((a, b) => a.target.def.start - b.target.def.start);
  }
}
