/** Tensors and batches: where they start and how they move. */
import type { Expr } from '../syntax/ast';
import type { CallSite } from './calls';
import { deviceOf } from './devices';
import { joinValues } from './join';
import { optionsOf, unknown, type BatchObject, type Device, type Move, type Origin, type Place, type RefValue, type TensorValue, type Value } from './values';

export interface DeviceArgument {
  readonly device: Device;
  /** False for what may just as well be a dtype (`.to(precision)`). */
  readonly isSurelyDevice: boolean;
  readonly expr?: Expr;
}

/** The device given to `.to(…)` or `.cuda(…)`; undefined when the call only casts. */
export function findDeviceArgument(site: CallSite, name: string): DeviceArgument | undefined {
  const { args } = site;
  const first = args.positional[0];
  const named = args.keywords.get('device');
  if (name === 'cuda') {
    const device = first ?? named;
    return { device: (device && deviceOf(device.value)) ?? { kind: 'literal', name: 'cuda' }, isSurelyDevice: true, expr: device?.expr };
  }
  const given = named ?? first;
  if (!given || (given === first && isDtype(given.value, given.expr))) {
    return undefined;
  }
  const device = deviceOf(given.value);
  const isSurelyDevice = given === named || device?.kind !== 'unknown' || (given.expr !== undefined && !/type|prec|float|half|bf|fp|quant|mode/i.test(site.interpreter.textOf(given.expr)));
  return device && { device, isSurelyDevice, expr: given.expr };
}

/** `dtype`, `torch_dtype`, `model.dtype`: what is unknown but named a dtype casts. */
function isDtype(value: Value, expr: Expr | undefined): boolean {
  if (value.kind === 'module') {
    return /^torch\.\w+$/.test(value.path);
  }
  const name = expr?.kind === 'name' ? expr.id : expr?.kind === 'attribute' ? expr.name : '';
  return value.kind !== 'device' && value.kind !== 'const' && /dtype/i.test(name);
}

export function moveTensor(site: CallSite, tensor: TensorValue, name: string): Value {
  const target = findDeviceArgument(site, name);
  return target ? { ...tensor, batchId: undefined, places: [movedBy(site, target, 'method')] } : tensor;
}

/** Something unknown was moved: most likely a tensor, but it may be a model. */
export function moveUnknown(site: CallSite, name: string): Value {
  const target = findDeviceArgument(site, name);
  return target ? joinValues({ kind: 'tensor', places: [movedBy(site, target, 'method')] }, unknown) : unknown;
}

/** `BatchEncoding.to` moves in place and returns the batch. */
export function moveBatch(site: CallSite, ref: RefValue, batch: BatchObject, name: string): Value {
  const target = findDeviceArgument(site, name);
  if (target) {
    const place = movedBy(site, target, 'method');
    const fields = new Map([...batch.fields].map(([key, value]) => [key, value.kind === 'tensor' ? { ...value, places: [place] } : value] as const));
    site.interpreter.update(ref, { ...batch, places: [place], fields });
  }
  return ref;
}

function movedBy(site: CallSite, target: DeviceArgument, form: Move['form']): Place {
  return { kind: 'moved', device: target.device, move: { call: site.call, deviceArg: target.expr, form, frame: site.frame, models: site.interpreter.visibleModels(site.frame), plainSince: site.interpreter.plainSince, spreadSince: site.interpreter.spreadSince } };
}

export function originAt(site: CallSite, maker: Origin['maker']): Origin {
  return { call: site.call, frame: site.frame, models: site.interpreter.visibleModels(site.frame), maker };
}

/** A tensor made by a torch factory: on the device it names, else on the CPU. */
export function createTensor(site: CallSite): Value {
  const device = site.args.keywords.get('device');
  const target = device && deviceOf(device.value);
  if (target) {
    return { kind: 'tensor', places: [movedBy(site, { device: target, isSurelyDevice: true, expr: device.expr }, 'factory')] };
  }
  if (site.interpreter.defaultDeviceChanged || device !== undefined) {
    return { kind: 'tensor', places: [{ kind: 'unknown' }] };
  }
  return { kind: 'tensor', places: [{ kind: 'unmoved' }], origin: originAt(site, 'torch') };
}

/** A tensor that lies where its source lies (`ones_like`, `cat`), if all sources lie in one place. */
export function deriveTensor(site: CallSite, sources: readonly Value[]): Value {
  if (site.args.keywords.has('device')) {
    return createTensor(site);
  }
  const options = sources.flatMap(optionsOf);
  const tensors = options.filter((option) => option.kind === 'tensor');
  const [first] = tensors;
  if (!first || tensors.length < options.length) {
    return { kind: 'tensor', places: [{ kind: 'unknown' }] };
  }
  const kinds = new Set(tensors.flatMap((tensor) => tensor.places.map((place) => place.kind)));
  return kinds.size === 1 ? { kind: 'tensor', places: first.places, origin: first.origin } : { kind: 'tensor', places: [{ kind: 'unknown' }] };
}

