/** Lists, dicts, batches: what their items are, and what storing an item does. */
import type { DictExpr, SubscriptExpr } from '../syntax/ast';
import type { Frame } from './frame';
import type { Interpreter } from './interpreter';
import { joinValues } from './join';
import { optionsOf, plain, stringOf, unknown, type BatchObject, type Place, type RefValue, type TensorValue, type Value } from './values';

/** The tensor a batch holds under `field`; without a field, any of them. */
export function batchItem(batch: BatchObject, batchId: number, field?: string): Value {
  const stored = field === undefined ? undefined : batch.fields.get(field);
  return stored ?? ({ kind: 'tensor', places: batch.places, origin: batch.origin, batchId, field } satisfies TensorValue);
}

export function iterate(interpreter: Interpreter, iterable: Value): { readonly element: Value; readonly isNonEmpty: boolean } {
  const results = optionsOf(iterable).map((option) => iterateOne(interpreter, option));
  return { element: results.map((result) => result.element).reduce(joinValues), isNonEmpty: results.every((result) => result.isNonEmpty) };
}

function iterateOne(interpreter: Interpreter, iterable: Value): { element: Value; isNonEmpty: boolean } {
  if (iterable.kind === 'tuple' && iterable.items.length > 0) {
    return { element: iterable.items.reduce(joinValues), isNonEmpty: true };
  }
  if (iterable.kind === 'tensor') {
    return { element: { ...iterable, batchId: undefined }, isNonEmpty: false };
  }
  if (iterable.kind === 'keyOf') {
    return { element: { kind: 'keyOf', id: iterable.id }, isNonEmpty: true };
  }
  const object = interpreter.object(iterable);
  if (iterable.kind !== 'ref' || !object) {
    return { element: unknown, isNonEmpty: false };
  }
  switch (object.kind) {
    case 'list':
      return { element: object.element, isNonEmpty: (object.items?.length ?? 0) > 0 };
    case 'batch':
    case 'dict':
      return { element: { kind: 'keyOf', id: iterable.id }, isNonEmpty: object.kind === 'batch' || object.entries.size > 0 || object.rest !== undefined };
    case 'loader':
      if (object.batch) {
        return { element: asLoaded(interpreter, object.batch), isNonEmpty: true };
      }
      return { element: interpreter.allocate({ kind: 'dict', entries: new Map(), rest: { kind: 'tensor', places: [{ kind: object.staysOnCpu ? 'loaded' : 'unknown' }] } }), isNonEmpty: true };
    default:
      return { element: unknown, isNonEmpty: false };
  }
}

/** A fresh copy of what a collate function returned, its tensors marked as made by the loader: one cannot append to the call that made them. */
function asLoaded(interpreter: Interpreter, value: Value): Value {
  return optionsOf(value)
    .map((option): Value => {
      if (option.kind === 'tensor') {
        return { ...option, places: loadedPlaces(option.places) };
      }
      if (option.kind === 'tuple') {
        return { kind: 'tuple', items: option.items.map((item) => asLoaded(interpreter, item)) };
      }
      const object = interpreter.object(option);
      const all = (values: ReadonlyMap<string, Value>): ReadonlyMap<string, Value> => new Map([...values].map(([key, item]) => [key, asLoaded(interpreter, item)] as const));
      switch (object?.kind) {
        case 'batch':
          return interpreter.allocate({ ...object, places: loadedPlaces(object.places), fields: all(object.fields) });
        case 'dict':
          return interpreter.allocate({ kind: 'dict', entries: all(object.entries), rest: object.rest && asLoaded(interpreter, object.rest) });
        case 'list':
          return interpreter.allocate({ kind: 'list', element: asLoaded(interpreter, object.element), items: object.items?.map((item) => asLoaded(interpreter, item)) });
        default:
          return option;
      }
    })
    .reduce(joinValues);
}

function loadedPlaces(places: readonly Place[]): readonly Place[] {
  return places.map((place) => (place.kind === 'unmoved' ? { kind: 'loaded' } : place));
}

/** `x.items()`, `x.keys()`, `x.values()` of a batch or dict. */
export function view(interpreter: Interpreter, ref: RefValue, name: string): Value {
  const key: Value = { kind: 'keyOf', id: ref.id };
  if (name === 'keys') {
    return key;
  }
  const value = anyItem(interpreter, ref);
  return interpreter.allocate({ kind: 'list', items: [name === 'items' ? { kind: 'tuple', items: [key, value] } : value], element: name === 'items' ? { kind: 'tuple', items: [key, value] } : value });
}

/** The join of everything in a batch or dict. */
export function anyItem(interpreter: Interpreter, ref: RefValue): Value {
  const object = interpreter.object(ref);
  if (object?.kind === 'batch') {
    return [batchItem(object, ref.id), ...object.fields.values()].reduce(joinValues);
  }
  if (object?.kind === 'dict') {
    const values = [...object.entries.values(), ...(object.rest ? [object.rest] : [])];
    return values.length > 0 ? values.reduce(joinValues) : unknown;
  }
  return unknown;
}

/** The item at a position when a value is unpacked. */
export function elementAt(interpreter: Interpreter, value: Value, position: number): Value {
  return optionsOf(value)
    .map((option): Value => {
      if (option.kind === 'tuple') {
        return option.items[position] ?? unknown;
      }
      if (option.kind === 'perhapsModel') {
        return option;
      }
      const object = interpreter.object(option);
      if (object?.kind === 'list') {
        return object.items ? (object.items[position] ?? unknown) : object.element;
      }
      if (object?.kind === 'dict' && object.entries.size === 0) {
        return object.rest ?? unknown;
      }
      // `model, info = Class.from_pretrained(…, output_loading_info=True)`, and loaders that return their model first.
      return object?.kind === 'model' && position === 0 ? option : unknown;
    })
    .reduce(joinValues);
}

export function subscript(interpreter: Interpreter, object: Value, index: readonly Value[], expr: SubscriptExpr): Value {
  const [key] = index;
  if (object.kind === 'tensor') {
    return { ...object, batchId: undefined };
  }
  if (object.kind === 'plain') {
    return plain;
  }
  if (object.kind === 'elapsed' || object.kind === 'rate' || object.kind === 'perhapsModel') {
    return object;
  }
  const position = key?.kind === 'const' && typeof key.value === 'number' ? key.value : undefined;
  if (object.kind === 'tuple') {
    return position === undefined ? object.items.reduce(joinValues, unknown) : (object.items.at(position) ?? unknown);
  }
  const heapObject = interpreter.object(object);
  if (object.kind !== 'ref' || !heapObject) {
    return unknown;
  }
  const isSlice = expr.index[0]?.kind === 'other';
  switch (heapObject.kind) {
    case 'batch':
      return isSlice || position !== undefined ? unknown : batchItem(heapObject, object.id, stringOf(key));
    case 'dict': {
      const name = key?.kind === 'const' ? String(key.value) : undefined;
      return (name === undefined ? undefined : heapObject.entries.get(name)) ?? (name === undefined ? anyItem(interpreter, object) : (heapObject.rest ?? unknown));
    }
    case 'list':
      return isSlice ? object : ((position === undefined ? undefined : heapObject.items?.at(position)) ?? heapObject.element);
    case 'model':
      return unknown;
    default:
      return unknown;
  }
}

export function storeItem(interpreter: Interpreter, owner: Value, key: Value, value: Value): void {
  if (owner.kind === 'module' && owner.path === 'os.environ' && key.kind === 'const' && key.value === 'CUDA_VISIBLE_DEVICES') {
    interpreter.hasOneGpu = value.kind === 'const' && /^\d+$/.test(String(value.value));
  }
  const object = interpreter.object(owner);
  if (owner.kind !== 'ref' || !object) {
    return;
  }
  const name = key.kind === 'const' ? String(key.value) : undefined;
  const storesAll = key.kind === 'keyOf' && key.id === owner.id;
  if (object.kind === 'batch') {
    if (name !== undefined) {
      interpreter.update(owner, { ...object, fields: new Map(object.fields).set(name, value) });
    } else if (storesAll) {
      // `for k in batch: batch[k] = batch[k].to(device)` moves the batch.
      const places = optionsOf(value).flatMap((option) => (option.kind === 'tensor' ? option.places : [{ kind: 'unknown' } as const]));
      interpreter.update(owner, { ...object, places, fields: new Map() });
    } else {
      interpreter.update(owner, { ...object, places: [...object.places, { kind: 'unknown' }] });
    }
  } else if (object.kind === 'dict') {
    if (name !== undefined) {
      interpreter.update(owner, { ...object, entries: new Map(object.entries).set(name, value) });
    } else if (storesAll || key.kind === 'keyOf') {
      interpreter.update(owner, { kind: 'dict', entries: new Map(), rest: storesAll || !object.rest ? value : joinValues(object.rest, value) });
    } else {
      interpreter.update(owner, { ...object, rest: object.rest ? joinValues(object.rest, value) : value });
    }
  } else if (object.kind === 'list') {
    interpreter.update(owner, { kind: 'list', element: joinValues(object.element, value) });
  }
}

export function dictFrom(interpreter: Interpreter, expr: DictExpr, frame: Frame): Value {
  const entries = new Map<string, Value>();
  let rest: Value | undefined;
  for (const entry of expr.entries) {
    const value = interpreter.evaluate(entry.value, frame);
    if (entry.key) {
      const key = interpreter.evaluate(entry.key, frame);
      if (key.kind === 'const') {
        entries.set(String(key.value), value);
      } else {
        rest = rest ? joinValues(rest, value) : value;
      }
    } else {
      rest = mergeInto(interpreter, entries, value, rest);
    }
  }
  return interpreter.allocate({ kind: 'dict', entries, rest });
}

/** Adds the items of `source` (as in `{**source}` or `dict.update(source)`); returns the new rest. */
export function mergeInto(interpreter: Interpreter, entries: Map<string, Value>, source: Value, rest: Value | undefined): Value | undefined {
  const object = interpreter.object(source);
  if (object?.kind === 'dict') {
    object.entries.forEach((value, key) => entries.set(key, value));
    return object.rest && rest ? joinValues(object.rest, rest) : (object.rest ?? rest);
  }
  if (object?.kind === 'batch' && source.kind === 'ref') {
    object.fields.forEach((value, key) => entries.set(key, value));
    // Where ids and mask were stored by name, what else a tokenizer gave may be nothing.
    const isComplete = object.fields.has('input_ids') && object.fields.has('attention_mask');
    const item = isComplete ? unknown : batchItem(object, source.id);
    return rest ? joinValues(rest, item) : item;
  }
  return rest ? joinValues(rest, unknown) : unknown;
}
