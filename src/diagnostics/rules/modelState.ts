/** Questions several rules ask about models, tensors and the spots where a fix would go. */
import type { Fix } from '../finding';
import { isAccelerator } from '../semantics/devices';
import { areAlike, dispatchOf, isPutOn, isTakenTo, startsOn, staysOnHost } from '../semantics/dispatch';
import type { Facts, ModelCall, TensorArgument } from '../semantics/facts';
import type { Device, ModelObject, Move, Origin, Place } from '../semantics/values';
import type { CallExpr, Span } from '../syntax/ast';

/** The program visibly puts this model on an accelerator, on some path at least. */
export function isOnAccelerator(model: ModelObject): boolean {
  if (model.library === 'foreign') {
    return false;
  }
  const moved = model.placements.filter((placement): placement is Device => placement !== 'unplaced');
  if (moved.some(isAccelerator)) {
    return true;
  }
  const isUnplaced = moved.length < model.placements.length;
  return isUnplaced && isMappedToAccelerator(model);
}

function isMappedToAccelerator(model: ModelObject): boolean {
  return model.deviceMaps.some((map) => map.kind === 'multi' || (map.kind === 'single' && map.device.kind !== 'unknown' && isAccelerator(map.device)));
}

/** CUDA or unknown, but not another accelerator by name. */
export function isOnCuda(model: ModelObject): boolean {
  const names = [...model.placements, ...model.deviceMaps.map((map) => (map.kind === 'single' ? map.device : 'unplaced'))].flatMap((device) => (typeof device === 'object' && device.kind === 'literal' ? [device.name] : []));
  return isOnAccelerator(model) && !names.some((name) => /^(mps|xpu|npu|hpu|tpu|xla|cpu)/.test(name));
}

/** Every path leaves this tensor where it was created. */
export function isLeftBehind(tensor: TensorArgument): boolean {
  return tensor.places.length > 0 && tensor.places.every((place) => place.kind === 'unmoved');
}

export function isMovedSomewhere(tensor: TensorArgument): boolean {
  return tensor.places.some((place) => place.kind === 'moved');
}

type MovedPlace = Extract<Place, { kind: 'moved' }>;

/** A move of inputs to a device that a device_map surely does not start from, and the call they are given to. */
export interface WrongMove extends MovedPlace {
  readonly call: ModelCall;
}

/** Every distinct move that brought tensors to a device of this kind, although a device_map surely decides where their models start. */
export function movesAgainstDispatch(facts: Facts, kind: Device['kind']): readonly WrongMove[] {
  const calls = facts.modelCalls.filter((call) => call.models.some(({ model }) => dispatchOf(model) !== 'never'));
  const forOthers = calls.length > 0 ? movesForOtherModels(facts) : new Set<CallExpr>();
  return calls.flatMap((call) => wrongMovesOf(call, kind).filter(({ move }) => !forOthers.has(move.call)));
}

function wrongMovesOf(call: ModelCall, kind: Device['kind']): readonly WrongMove[] {
  // What a function that cannot be seen does with the tensors it is handed is not known.
  const tensors = call.form === 'handed' ? [] : call.tensors;
  const places = tensors.flatMap((tensor) => tensor.places).filter((place): place is MovedPlace => place.kind === 'moved' && place.device.kind === kind);
  // `if uses_device_map: … else: inputs.to(device)`: the branch is not for a model that is spread.
  const isForPlainModel = ({ move }: MovedPlace): boolean => call.models.every(({ model }) => model.loadedSince < move.plainSince);
  const isForSpreadModel = ({ move }: MovedPlace): boolean => call.models.every(({ model }) => model.loadedSince < move.spreadSince);
  const isProven = (place: MovedPlace): boolean => isForSpreadModel(place) || isProvenOnEveryWay(place);
  const isProvenOnEveryWay = ({ device }: MovedPlace): boolean => call.models.every(({ model }) => isDecidedElsewhere(model, device)) && !call.movedTo.some((other) => areAlike(other, device));
  return places.filter((place, position) => isProven(place) && !isForPlainModel(place) && places.findIndex((other) => other.move.call === place.move.call) === position).map((place) => ({ ...place, call }));
}

/** Wherever the program runs, nothing of its own puts this model on the device its inputs go to. */
function isDecidedElsewhere(model: ModelObject, device: Device): boolean {
  const dispatch = dispatchOf(model);
  if (dispatch === 'always' || dispatch === 'whereGpusAre') {
    return !startsOn(model, device) && !isTakenTo(model, device);
  }
  return device.kind === 'literal' ? !isPutOn(model, device) && !model.deviceMaps.some(({ kind }) => kind === 'unknown' && dispatch === 'sometimes') : dispatch === 'never' && staysOnHost(model);
}

/** Moves of tensors that also reach a model which lies on that very device and is not spread: they were made for that one. */
function movesForOtherModels(facts: Facts): ReadonlySet<CallExpr> {
  const found = new Set<CallExpr>();
  for (const call of facts.modelCalls) {
    if (call.models.some(({ model }) => dispatchOf(model) !== 'never')) {
      continue;
    }
    for (const place of call.tensors.flatMap((tensor) => tensor.places)) {
      if (place.kind === 'moved' && call.models.some(({ model }) => isPutOn(model, place.device))) {
        found.add(place.move.call);
      }
    }
  }
  return found;
}

/**
 * What to write for "the device of the model" at a spot, if the model has a name there that is good on every path;
 * the name used in the call itself is preferred.
 */
export function modelDeviceAt(spot: Origin | Move, { models, modelText }: Pick<ModelCall, 'models' | 'modelText'>): string | undefined {
  const [first, ...others] = models.map(({ id }) => spot.models.get(id) ?? []);
  const names = (first ?? []).filter((name) => others.every((other) => other.includes(name)));
  const name = modelText !== undefined && names.includes(modelText) ? modelText : names[0];
  return name === undefined ? undefined : `${name}.device`;
}

/** Replaces the device of a move by the device of the model the tensors go to. */
export function followModel(move: Move, modelCall: ModelCall): Fix | undefined {
  const { call, deviceArg } = move;
  const device = modelDeviceAt(move, modelCall);
  if (device === undefined) {
    return undefined;
  }
  const isCuda = move.form === 'method' && call.func.kind === 'attribute' && call.func.name === 'cuda';
  const edit = isCuda ? { start: call.func.nameSpan.start, end: call.end, text: `to(${device})` } : deviceArg && { start: deviceArg.start, end: deviceArg.end, text: device };
  return edit && { title: `Use ${device}`, safety: 'safe', edits: [edit] };
}

/** Keeps the first finding of each spot. */
export function distinctBySpan<T extends Span>(findings: readonly T[]): readonly T[] {
  const seen = new Set<string>();
  return findings.filter((finding) => {
    const key = `${finding.start}:${finding.end}`;
    const isNew = !seen.has(key);
    seen.add(key);
    return isNew;
  });
}
