/** Questions several rules ask about models, tensors and the spots where a fix would go. */
import { isAccelerator, sameSpelling } from '../semantics/devices';
import type { Facts, ModelCall, TensorArgument } from '../semantics/facts';
import type { Device, ModelObject, Move, Origin, Place } from '../semantics/values';
import type { Span } from '../syntax/ast';

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

/** Loaded with a device_map that may spread the layers, on some path at least. */
export function isSpread(model: ModelObject): boolean {
  return model.library !== 'foreign' && model.deviceMaps.some((map) => map.kind === 'multi');
}

/** Every path leaves this tensor where it was created. */
export function isLeftBehind(tensor: TensorArgument): boolean {
  return tensor.places.length > 0 && tensor.places.every((place) => place.kind === 'unmoved');
}

export function isMovedSomewhere(tensor: TensorArgument): boolean {
  return tensor.places.some((place) => place.kind === 'moved');
}

type MovedPlace = Extract<Place, { kind: 'moved' }>;

/** Every distinct move that brought tensors of this kind of device into a call. */
export function movesOf(call: ModelCall, kind: Device['kind']): readonly MovedPlace[] {
  // A function that cannot be seen gets other things besides inputs: only what is surely a tensor counts there.
  const tensors = call.form === 'handed' ? call.tensors.filter((tensor) => tensor.places.every((place) => place.kind === 'moved')) : call.tensors;
  const places = tensors.flatMap((tensor) => tensor.places).filter((place): place is MovedPlace => place.kind === 'moved' && place.device.kind === kind);
  // `if uses_device_map: … else: inputs.to(device)`: the branch is not for a model that is spread.
  const isForPlainModel = ({ move }: MovedPlace): boolean => call.models.every(({ model }) => model.loadedSince < move.plainSince);
  return places.filter((place, position) => !isForPlainModel(place) && !isPlacedAlike(call, place.device) && places.findIndex((other) => other.move.call === place.move.call) === position);
}

/** `if bits == 4: options["device_map"] = "auto"`, else the model goes by hand to the very device of its inputs: the device is the program's choice both ways. */
function isPlacedAlike(call: ModelCall, device: Device): boolean {
  const spread = call.models.filter(({ model }) => isSpread(model));
  return spread.every(({ model }) => {
    const isChoice = model.deviceMaps.some((map) => map.kind === 'none') && model.deviceMaps.every((map) => map.kind !== 'multi' || !/cuda|cpu|gpu|device|availab/i.test(map.when ?? ''));
    return isChoice && model.placements.some((placement) => placement !== 'unplaced' && areAlike(placement, device));
  });
}

/** Moves of tensors that also reach a model which lies on that very device and is not spread: they were made for that one. */
export function movesForOtherModels(facts: Facts): ReadonlySet<Move> {
  const found = new Set<Move>();
  for (const call of facts.modelCalls) {
    if (call.models.some(({ model }) => isSpread(model))) {
      continue;
    }
    for (const place of call.tensors.flatMap((tensor) => tensor.places)) {
      if (place.kind === 'moved' && call.models.some(({ model }) => liesOn(model, place.device))) {
        found.add(place.move);
      }
    }
  }
  return found;
}

function liesOn(model: ModelObject, device: Device): boolean {
  const devices = [...model.placements, ...model.deviceMaps.map((map) => (map.kind === 'single' ? map.device : 'unplaced'))].filter((place): place is Device => place !== 'unplaced');
  return devices.some((other) => areAlike(other, device));
}

function areAlike(a: Device, b: Device): boolean {
  return a.kind === 'literal' && b.kind === 'literal' ? sameSpelling(a.name, b.name) : a.kind === 'availability' && b.kind === 'availability';
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

/** Replaces the device of a move by `device`. */
export function retargetMove(move: Move, device: string): { readonly start: number; readonly end: number; readonly text: string } | undefined {
  const { call, deviceArg } = move;
  if (move.form === 'method' && call.func.kind === 'attribute' && call.func.name === 'cuda') {
    return { start: call.func.nameSpan.start, end: call.end, text: `to(${device})` };
  }
  return deviceArg && { start: deviceArg.start, end: deviceArg.end, text: device };
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
