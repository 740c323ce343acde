/** The least value that covers two values: what is known where two paths meet. */
import type { BatchObject, DeviceMap, Device, DictObject, HeapObject, InstanceObject, ListObject, ModelObject, Place, TensorValue, Value } from './values';
import { none, optionsOf, spreadingMaps, unknown } from './values';

/** Wider unions say nothing useful any more; three devices times three kinds of model is a script seen in the wild. */
const maxOptions = 16;
/** The same where one alternative is not seen: then each of many is less likely the one. */
const maxOptionsBesideUnknown = 8;

/**
 * Joins two values. None is dropped in favour of anything else: `x = None` before a branch that fills `x` is an idiom,
 * and using the None would be an error of another kind.
 */
export function joinValues(a: Value, b: Value): Value {
  if (a === b) {
    return a;
  }
  // Between plain constants None is a choice (`device_map="auto" if spread else None`); elsewhere it is a placeholder.
  if (isNone(b) && !optionsOf(a).every((option) => option.kind === 'const')) {
    return a;
  }
  if (isNone(a) && !optionsOf(b).every((option) => option.kind === 'const')) {
    return b;
  }
  if (a.kind === 'unknown' || b.kind === 'unknown') {
    // An unknown alternative must not erase a model, a moved tensor or a device map that another path knows.
    return worthKeeping(a) || worthKeeping(b) ? union([...optionsOf(a), ...optionsOf(b)]) : unknown;
  }
  if (a.kind === 'tensor' && b.kind === 'tensor') {
    return joinTensors(a, b) ?? union([a, b]);
  }
  if (a.kind === 'elapsed' && b.kind === 'elapsed') {
    return { kind: 'elapsed', regions: [...new Set([...a.regions, ...b.regions])] };
  }
  return union([...optionsOf(a), ...optionsOf(b)]);
}

function worthKeeping(value: Value): boolean {
  return optionsOf(value).some((option) => option.kind === 'ref' || option.kind === 'perhapsModel' || option.kind === 'method' || (option.kind === 'const' && (option.mayDiffer === true || spreadingMaps.has(option.value))) || option.kind === 'tensor' || option.kind === 'device' || option.kind === 'timestamp' || option.kind === 'elapsed' || option.kind === 'rate');
}

function isNone(value: Value): boolean {
  return value.kind === 'const' && value.value === null;
}

function joinTensors(a: TensorValue, b: TensorValue): TensorValue | undefined {
  if (a.origin?.call !== b.origin?.call) {
    return undefined;
  }
  return { ...a, places: joinPlaces(a.places, b.places), batchId: a.batchId === b.batchId ? a.batchId : undefined };
}

export function joinPlaces(a: readonly Place[], b: readonly Place[]): readonly Place[] {
  const all = [...a];
  for (const place of b) {
    if (!all.some((other) => samePlace(other, place))) {
      all.push(place);
    }
  }
  return all;
}

function samePlace(a: Place, b: Place): boolean {
  return a.kind === 'moved' && b.kind === 'moved' ? a.move.call === b.move.call && sameDevice(a.device, b.device) : a.kind === b.kind;
}

export function sameDevice(a: Device, b: Device): boolean {
  if (a.kind === 'literal' && b.kind === 'literal') {
    return a.name === b.name;
  }
  if (a.kind === 'model' && b.kind === 'model') {
    return a.modelId === b.modelId;
  }
  return a.kind === b.kind;
}

function union(options: readonly Value[]): Value {
  const distinct: Value[] = [];
  for (const option of options) {
    const time = option.kind === 'elapsed' ? distinct.findIndex((other) => other.kind === 'elapsed') : -1;
    if (time >= 0) {
      distinct[time] = joinValues(distinct[time] ?? option, option);
      continue;
    }
    const at = distinct.findIndex((other) => sameValue(other, option));
    const twin = distinct[at];
    if (twin?.kind === 'device' && option.kind === 'device' && JSON.stringify(twin) !== JSON.stringify(option)) {
      distinct[at] = { kind: 'device', device: { kind: 'availability' } };
    } else if (at < 0) {
      const tensor = option.kind === 'tensor' ? distinct.findIndex((other) => other.kind === 'tensor' && other.origin?.call === option.origin?.call) : -1;
      const other = distinct[tensor];
      if (option.kind === 'tensor' && other?.kind === 'tensor') {
        distinct[tensor] = joinTensors(other, option) ?? option;
      } else {
        distinct.push(option);
      }
    }
  }
  const only = distinct[0];
  if (distinct.length === 1 && only) {
    return only;
  }
  const limit = distinct.some((option) => option.kind === 'unknown') ? maxOptionsBesideUnknown : maxOptions;
  const kept = distinct.length > limit ? latestLoads(distinct) : distinct;
  return kept.length > limit ? unknown : { kind: 'union', options: kept };
}

/** Of the models that one call loaded on several ways through the program, the last. */
function latestLoads(options: readonly Value[]): readonly Value[] {
  return options.filter((option, position) => option.kind !== 'ref' || option.loadedAt === undefined || !options.slice(position + 1).some((later) => later.kind === 'ref' && later.loadedAt === option.loadedAt));
}

function sameValue(a: Value, b: Value): boolean {
  if (a === b) {
    return true;
  }
  switch (a.kind) {
    case 'const':
      return b.kind === 'const' && a.value === b.value;
    case 'ref':
      return b.kind === 'ref' && a.id === b.id;
    case 'perhapsModel':
      return b.kind === 'perhapsModel' && a.model.id === b.model.id;
    case 'device':
      return b.kind === 'device' && sameDevice(a.device, b.device);
    case 'module':
      return b.kind === 'module' && a.path === b.path;
    case 'function':
      return b.kind === 'function' && a.def === b.def && a.self === b.self;
    case 'class':
      return b.kind === 'class' && a.def === b.def;
    case 'timestamp':
      return b.kind === 'timestamp' && a.event === b.event;
    case 'unknown':
    case 'availability':
    case 'plain':
      return a.kind === b.kind;
    default:
      return false;
  }
}

/** Joins two states of one heap object. */
export function joinObjects(a: HeapObject, b: HeapObject): HeapObject {
  if (a === b || a.kind !== b.kind) {
    return a;
  }
  switch (a.kind) {
    case 'model':
      return joinModels(a, b as ModelObject);
    case 'batch': {
      const other = b as BatchObject;
      return { ...a, places: joinPlaces(a.places, other.places), fields: joinMaps(a.fields, other.fields) };
    }
    case 'dict': {
      const other = b as DictObject;
      const rest = a.rest && other.rest ? joinValues(a.rest, other.rest) : (a.rest ?? other.rest);
      return { kind: 'dict', entries: joinEntries(a.entries, other.entries, a.isOpen === true), rest, isOpen: a.isOpen };
    }
    case 'list': {
      const other = b as ListObject;
      return { kind: 'list', element: joinValues(a.element, other.element), items: a.items?.length === other.items?.length ? a.items?.map((item, i) => joinValues(item, other.items?.[i] ?? unknown)) : undefined };
    }
    case 'instance':
      return { ...a, attributes: joinMaps(a.attributes, (b as InstanceObject).attributes) };
    default:
      return b;
  }
}

function joinModels(a: ModelObject, b: ModelObject): ModelObject {
  const placements = [...a.placements];
  for (const placement of b.placements) {
    if (!placements.some((other) => other === placement || (other !== 'unplaced' && placement !== 'unplaced' && sameDevice(other, placement)))) {
      placements.push(placement);
    }
  }
  const deviceMaps: DeviceMap[] = [...a.deviceMaps];
  for (const map of b.deviceMaps) {
    if (!deviceMaps.some((other) => other.kind === map.kind)) {
      deviceMaps.push(map);
    }
  }
  return { ...a, placements, movedBy: a.movedBy ?? b.movedBy, deviceMaps, quantized: [...new Set([...a.quantized, ...b.quantized])], generationConfig: a.generationConfig ?? b.generationConfig, scattersInputs: a.scattersInputs === true || b.scattersInputs === true };
}

/** An entry that one path alone stores may be missing, which for a keyword argument means its default, and in an open dict anything. */
function joinEntries(a: ReadonlyMap<string, Value>, b: ReadonlyMap<string, Value>, isOpen: boolean): ReadonlyMap<string, Value> {
  if (a === b) {
    return a;
  }
  const joined = new Map<string, Value>();
  for (const key of new Set([...a.keys(), ...b.keys()])) {
    const first = a.get(key);
    const second = b.get(key);
    const either = first ?? second ?? none;
    if (isOpen) {
      joined.set(key, joinValues(first ?? unknown, second ?? unknown));
      continue;
    }
    // A tensor that may be missing is still a tensor where it is used.
    const isTensor = optionsOf(either).some((option) => option.kind === 'tensor');
    joined.set(key, first && second ? joinValues(first, second) : isTensor ? either : union([...optionsOf(either), none]));
  }
  return joined;
}

function joinMaps(a: ReadonlyMap<string, Value>, b: ReadonlyMap<string, Value>): ReadonlyMap<string, Value> {
  if (a === b) {
    return a;
  }
  const joined = new Map(a);
  for (const [key, value] of b) {
    const other = joined.get(key);
    joined.set(key, other ? joinValues(other, value) : value);
  }
  return joined;
}
