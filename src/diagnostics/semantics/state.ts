/**
 * Variables and heap at one point of the program: an overlay over the state it was forked from.
 *
 * A fork costs nothing until something is written; joining touches only what the branches wrote.
 */
import { joinObjects, joinValues } from './join';
import type { HeapObject, Value } from './values';

export class State {
  private readonly variables = new Map<string, Value>();
  private readonly heap = new Map<number, HeapObject>();

  constructor(readonly parent?: State) {}

  get(key: string): Value | undefined {
    return this.variables.get(key) ?? this.parent?.get(key);
  }

  set(key: string, value: Value): void {
    this.variables.set(key, value);
  }

  object(id: number): HeapObject | undefined {
    return this.heap.get(id) ?? this.parent?.object(id);
  }

  setObject(id: number, object: HeapObject): void {
    this.heap.set(id, object);
  }

  fork(): State {
    return new State(this);
  }

  /** What this state and its ancestors below `base` wrote, as one overlay over `base`. */
  flattenTo(base: State): State {
    if (this === base) {
      return new State(base);
    }
    const flat = this.parent?.flattenTo(base) ?? new State(base);
    this.variables.forEach((value, key) => flat.variables.set(key, value));
    this.heap.forEach((object, id) => flat.heap.set(id, object));
    return flat;
  }

  /**
   * Replaces what `branches` (overlays over this state) wrote by the join of all of them.
   * A branch that did not write a key counts with the value from before; list `this.fork()` among them for "or nothing happened".
   */
  joinFrom(branches: readonly State[], choose?: (values: readonly Value[]) => Value | undefined): void {
    const [only] = branches;
    if (branches.length === 1 && only) {
      only.variables.forEach((value, key) => this.variables.set(key, value));
      only.heap.forEach((object, id) => this.heap.set(id, object));
      return;
    }
    const keys = new Set(branches.flatMap((branch) => [...branch.variables.keys()]));
    for (const key of keys) {
      const values = branches.map((branch) => branch.variables.get(key) ?? this.get(key)).filter((value) => value !== undefined);
      this.variables.set(key, choose?.(values) ?? values.reduce(joinValues));
    }
    const ids = new Set(branches.flatMap((branch) => [...branch.heap.keys()]));
    for (const id of ids) {
      const objects = branches.map((branch) => branch.heap.get(id) ?? this.object(id)).filter((object) => object !== undefined);
      this.heap.set(id, objects.reduce(joinObjects));
    }
  }
}
