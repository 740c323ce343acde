/**
 * Follows a program abstractly: every path once, calls of the file's own functions inlined, loops one time round.
 *
 * One run per text. Facts are recorded as they happen; nothing is reported here.
 * This is what the parts share: the state, the names, the heap and the counters. What statements, expressions and calls mean is beside it.
 * Work is bounded: after {@link maxSteps} evaluations, or too many activations of one function, everything further is unknown.
 */
import type { Expr, Span, Stmt } from '../syntax/ast';
import { assignTo } from './assignment';
import { Definitions } from './definitions';
import { evaluate } from './expressions';
import { emptyFacts, type Facts, type LoopSeen } from './facts';
import type { Flow } from './flow';
import type { Frame } from './frame';
import { variableKey } from './frame';
import { callFunction } from './functionCalls';
import { countBindings } from './guards';
import { classAttribute, instanceAttribute, instantiate } from './objects';
import type { CallArguments } from './parameters';
import { underName } from './perhapsModel';
import { State } from './state';
import { execute } from './statements';
import { runUncalled } from './uncalled';
import { optionsOf, type ClassValue, type FunctionValue, type HeapObject, type InstanceObject, type ModelObject, type RefValue, type Value } from './values';
import { visibleModels } from './visibleModels';

const maxSteps = 300_000;

export class Interpreter {
  readonly facts: Facts = emptyFacts();
  readonly definitions = new Definitions();
  state = new State();
  /** A clock that ticks whenever something worth ordering happens. */
  event = 0;
  /** Functions being inlined. */
  callDepth = 0;
  /** Above zero inside a branch decided by `is_available()`. */
  availabilityDepth = 0;
  /** When the innermost branch was entered that asks where a model is or how it was loaded; 0 outside. What was loaded later is not meant by the question. */
  guardedSince = 0;
  /** The same for branches where the model is known not to be spread: what moves there knows where to. */
  plainSince = 0;
  /** The same for branches where a map is known to spread the model. */
  spreadSince = 0;
  /** The same for branches that run only where no accelerator is used: a model that was loaded before goes to the CPU there. */
  hostSince = 0;
  /** Above zero inside such a branch. */
  hostDepth = 0;
  /** Alternatives being followed, by when they were entered, the innermost last. */
  readonly branches: number[] = [];
  /** What decided how models are loaded, as written: the setting itself, or a condition on which it depends. */
  readonly placementNames = new Map<string, 'setting' | 'condition'>();
  /** Clocks of unseen classes that were started, by name. */
  readonly timers = new Map<string, { readonly event: number; readonly span: Span }>();
  /** Conditions under which the statement being followed runs, as written. */
  readonly conditions: string[] = [];
  /** Names of the functions being inlined and of their classes, the innermost last. */
  readonly within: string[] = [];
  /** The function being followed that nothing in the file calls. */
  entry: FunctionValue['def'] | undefined;
  /** Loops being followed, the innermost last. */
  readonly loops: LoopSeen[] = [];
  /** `CUDA_VISIBLE_DEVICES` was set to one GPU. */
  hasOneGpu = false;
  /** Above zero while only effects are wanted, not findings. */
  silentDepth = 0;
  /** `torch.set_default_device` or the like was seen: new tensors may start anywhere. */
  defaultDeviceChanged = false;
  /** Last expressions of notebook cells. */
  readonly displayed = new Set<number>();
  readonly flows: Flow[] = [];
  readonly moduleFrame: Frame;

  private steps = 0;
  private bindings: ReadonlyMap<string, number> | undefined;
  private statements: readonly Stmt[] = [];
  private nextId = 1;

  constructor(readonly source: string) {
    this.moduleFrame = this.newFrame('module');
  }

  /** Follows the module, then everything in it that nobody called. */
  run(statements: readonly Stmt[]): Facts {
    this.statements = statements;
    for (const statement of statements) {
      // Code after an unconditional exit() is still code that somebody will run.
      execute(this, statement, this.moduleFrame);
      this.guardedSince = 0;
      this.plainSince = 0;
    }
    runUncalled(this);
    return this.facts;
  }

  /** Runs statements in order; false when control does not reach the end. */
  runBlock(statements: readonly Stmt[], frame: Frame): boolean {
    const { guardedSince, plainSince, spreadSince } = this;
    const completes = statements.every((statement) => execute(this, statement, frame));
    this.guardedSince = guardedSince;
    this.plainSince = plainSince;
    this.spreadSince = spreadSince;
    return completes;
  }

  /** The text binds this name in one place only. */
  isBoundOnce(name: string): boolean {
    this.bindings ??= countBindings(this.statements);
    return this.bindings.get(name) === 1;
  }

  newFrame(kind: Frame['kind'], parent?: Frame, plainFunction?: number): Frame {
    return { id: this.nextId++, kind, parent, plainFunction, modelNames: new Set(), globals: new Set(), nonlocals: new Set() };
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

  visibleModels(frame: Frame): ReadonlyMap<number, readonly string[]> {
    return visibleModels(this, frame);
  }

  // Functions and classes of the file

  call(target: FunctionValue, args: CallArguments | undefined): Value {
    return callFunction(this, target, args);
  }

  instantiate(cls: ClassValue, args: CallArguments | undefined): RefValue {
    return instantiate(this, cls, args);
  }

  classAttribute(cls: ClassValue, name: string): Value | undefined {
    return classAttribute(this, cls, name);
  }

  instanceAttribute(instance: InstanceObject, self: RefValue, name: string): Value | undefined {
    return instanceAttribute(this, instance, self, name);
  }
}
