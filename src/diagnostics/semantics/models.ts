/** Models: moving them, and handing them tensors. */
import type { Expr } from '../syntax/ast';
import type { CallSite } from './calls';
import { runCallbacks } from './calls';
import { anyItem, batchItem } from './containers';
import type { CallForm, ModelSeen, TensorArgument } from './facts';
import type { Interpreter } from './interpreter';
import { joinValues } from './join';
import { lengthLimitOf, readSettings } from './generationSettings';
import { findDeviceArgument } from './tensors';
import { optionsOf, unknown, type BatchObject, type Device, type Place, type Value } from './values';

/** Methods that hand the model back. */
export const returnsSelf = new Set(['eval', 'train', 'half', 'float', 'double', 'bfloat16', 'requires_grad_', 'quantize', 'merge_and_unload', 'unload', 'to_bettertransformer', 'reverse_bettertransformer', 'cpu', 'share_memory', 'get_base_model', 'type']);
const chatLike = new Set(['chat', 'stream_chat', 'stream_generate', 'chat_stream', 'batch_chat']);

export function modelMethod(site: CallSite, receiver: Value, name: string, receiverExpr: Expr): Value {
  const { interpreter } = site;
  const models = interpreter.modelsIn(receiver);
  const isCertain = models.length === optionsOf(receiver).length;
  if (name === 'to' || name === 'cuda') {
    moveModel(site, receiver, name);
    return receiver;
  }
  if (name === 'cpu') {
    models.forEach(({ ref, model }) => interpreter.update(ref, { ...model, placements: [{ kind: 'literal', name: 'cpu' }] }));
    return receiver;
  }
  if (name === 'quantize') {
    interpreter.facts.happenings.push({ kind: 'other-work', event: interpreter.tick() });
  }
  if (returnsSelf.has(name)) {
    return receiver;
  }
  if (name === 'generate') {
    return consume(site, receiver, isCertain, 'generate', receiverExpr);
  }
  if (name === 'forward' || name === '__call__') {
    return consume(site, receiver, isCertain, 'forward', receiverExpr);
  }
  if (chatLike.has(name)) {
    return consume(site, receiver, isCertain, 'chat', receiverExpr);
  }
  if (name === 'prepare_inputs_for_generation') {
    return preparedInputs(site);
  }
  if (name === 'parameters' || name === 'buffers') {
    const [model] = models;
    const device = { kind: 'model', modelId: model?.ref.id ?? 0 } as const;
    const place: Place = { kind: 'moved', device, move: { call: site.call, form: 'factory', frame: site.frame, models: new Map(), plainSince: 0, spreadSince: 0 } };
    return interpreter.allocate({ kind: 'list', element: { kind: 'tensor', places: [place] } });
  }
  runCallbacks(site);
  return unknown;
}

/** A hand-written decoding loop asks the model for its next arguments: the ids it gives come back among them. */
function preparedInputs({ interpreter, args }: CallSite): Value {
  const ids = args.positional[0]?.value ?? args.keywords.get('input_ids')?.value;
  return interpreter.allocate({ kind: 'dict', entries: new Map(ids ? [['input_ids', ids]] : []), rest: undefined });
}

function moveModel(site: CallSite, receiver: Value, name: string): void {
  const { interpreter, call } = site;
  const target = findDeviceArgument(site, name);
  if (!target) {
    return;
  }
  const models = interpreter.modelsIn(receiver);
  if (interpreter.isRecording) {
    interpreter.facts.modelMoves.push({
      call,
      models: models.map(({ ref, model }) => ({ id: ref.id, model })),
      certain: models.length === optionsOf(receiver).length,
      guarded: models.every(({ model }) => model.loadedSince < interpreter.guardedSince),
      unconditional: models.every(({ model }) => interpreter.branches.every((entered) => entered < model.loadedSince)),
      conditions: [...interpreter.conditions],
      device: target.device,
      isSurelyDevice: target.isSurelyDevice,
      deviceArg: target.expr,
    });
  }
  const start = interpreter.isRecording ? site.frame.plainFunction : undefined;
  models.forEach(({ ref, model }) => {
    const movedBy = start === undefined || !model.isOfModule ? model.movedBy : { start, before: model.movedBy?.before ?? model.placements };
    // Where no accelerator is used, `device` is the CPU.
    const device: Device = model.loadedSince < interpreter.hostSince && target.device.kind !== 'literal' ? { kind: 'literal', name: 'cpu' } : target.device;
    interpreter.update(ref, { ...model, placements: [device], movedBy });
  });
}

/** Hands the arguments of a call to a model and records that. */
export function consume(site: CallSite, receiver: Value, certain: boolean, form: CallForm, modelExpr: Expr): Value {
  const { interpreter, call, frame, args } = site;
  const models = interpreter.modelsIn(receiver).map(({ ref, model }): ModelSeen => ({ id: ref.id, model }));
  const event = interpreter.tick();
  const settings = readSettings(site, models);
  if (interpreter.isRecording) {
    interpreter.facts.modelCalls.push({
      form,
      call,
      frame,
      models,
      certain,
      movedTo: optionsOf(receiver).flatMap((option) => (option.kind === 'tensor' ? option.places.flatMap((place) => (place.kind === 'moved' ? [place.device] : [])) : [])),
      modelText: dottedName(interpreter, modelExpr),
      tensors: tensorArguments(site),
      opaque: settings.opaque,
      length: lengthLimitOf(settings),
      settings: settings.values,
      fromEvent: event,
      toEvent: event,
      loops: [...interpreter.loops],
      callDepth: interpreter.callDepth,
      within: [...interpreter.within],
      entry: interpreter.entry,
    });
  }
  if (form === 'generate' || form === 'chat') {
    // It reads every token back, which waits for whatever was queued before.
    interpreter.facts.happenings.push({ kind: 'sync', event: interpreter.tick() });
  }
  const returnsTensor = form === 'generate' && !args.keywords.has('return_dict_in_generate') && args.mappings.length <= 1 && models.length > 0;
  return returnsTensor ? { kind: 'tensor', places: [{ kind: 'unknown' }] } : unknown;
}

/** `model`, `self.model`, `pipe.model`: names that can be written again elsewhere. */
function dottedName(interpreter: Interpreter, expr: Expr): string | undefined {
  const isDotted = (inner: Expr): boolean => inner.kind === 'name' || (inner.kind === 'attribute' && isDotted(inner.object));
  return isDotted(expr) ? interpreter.textOf(expr) : undefined;
}

/** Arguments whose tensors never need to be where the model is. */
const notInputs = new Set(['past_key_values', 'streamer', 'generation_config', 'logits_processor', 'stopping_criteria', 'tokenizer', 'prefix_allowed_tokens_fn', 'image_sizes', 'history', 'pad_token_id', 'eos_token_id', 'assistant_model', 'prompt_lookup_num_tokens', 'max_new_tokens', 'max_length', 'min_length', 'min_new_tokens', 'temperature']);

function tensorArguments(site: CallSite): readonly TensorArgument[] {
  const { interpreter, args } = site;
  const found: TensorArgument[] = [];
  const addTo = (list: TensorArgument[], value: Value, expr: Expr | undefined, keyword: string | undefined, isUnpacked: boolean): void => {
    if (keyword !== undefined && notInputs.has(keyword)) {
      return;
    }
    const argument = tensorArgument(interpreter, value, expr, keyword, isUnpacked);
    if (argument) {
      list.push(argument);
    }
  };
  args.positional.forEach(({ value, expr }) => addTo(found, value, expr, undefined, false));
  args.keywords.forEach(({ value, expr }, keyword) => addTo(found, value, expr, keyword, false));
  for (const { value, expr } of args.mappings) {
    const alternatives = optionsOf(value).map((option): readonly TensorArgument[] => {
      const list: TensorArgument[] = [];
      const object = interpreter.object(option);
      if (option.kind === 'ref' && object?.kind === 'dict') {
        object.entries.forEach((entry, key) => addTo(list, entry, undefined, key, true));
        if (object.rest) {
          addTo(list, object.rest, undefined, undefined, true);
        }
      } else if (option.kind === 'ref' && object?.kind === 'batch') {
        addTo(list, option, expr, undefined, false);
      }
      return list;
    });
    found.push(...mergeAlternatives(alternatives.filter((list) => list.length > 0)));
  }
  return found;
}

/** `**batch` where paths differ in what `batch` is: its tensors are where either path has them, not some here and some there. */
function mergeAlternatives(alternatives: readonly (readonly TensorArgument[])[]): readonly TensorArgument[] {
  const [first, ...others] = alternatives;
  const [representative] = first ?? [];
  if (!first || !representative || others.length === 0) {
    return first ?? [];
  }
  const all = alternatives.flat();
  return [{ ...representative, keyword: undefined, places: all.flatMap((argument) => argument.places), partlyMoved: all.every((argument) => argument.partlyMoved), movable: all.every((argument) => argument.movable) }];
}

function tensorArgument(interpreter: Interpreter, value: Value, expr: Expr | undefined, keyword: string | undefined, isUnpacked: boolean): TensorArgument | undefined {
  const places: Place[] = [];
  const shared: { origin?: TensorArgument['origin']; batchId?: number } = {};
  let isTensor = false;
  let wholeBatch = false;
  let partlyMoved = false;
  let movable = true;
  for (const option of optionsOf(value)) {
    const object = interpreter.object(option);
    if (option.kind === 'tensor') {
      isTensor = true;
      places.push(...option.places);
      shared.origin ??= option.origin;
      shared.batchId ??= option.batchId;
    } else if (option.kind === 'ref' && object?.kind === 'batch') {
      isTensor = true;
      wholeBatch = true;
      partlyMoved ||= isPartlyMoved(object);
      const all = [batchItem(object, option.id), ...object.fields.values()].reduce(joinValues);
      places.push(...optionsOf(all).flatMap((item): readonly Place[] => (item.kind === 'tensor' ? item.places : item.kind === 'plain' || item.kind === 'const' ? [] : [{ kind: 'unknown' }])));
      shared.origin ??= object.origin;
      shared.batchId ??= option.id;
    } else if (option.kind === 'ref' && object?.kind === 'dict') {
      // `model(inputs)` with a plain dict of tensors.
      const item = anyItem(interpreter, option);
      if (item.kind === 'tensor') {
        isTensor = true;
        movable = false;
        places.push(...item.places);
        shared.origin ??= item.origin;
        shared.batchId ??= item.batchId;
      }
    } else {
      places.push({ kind: 'unknown' });
    }
  }
  return isTensor ? { expr: isUnpacked ? undefined : expr, keyword, places, ...shared, movable: movable && !isUnpacked, wholeBatch, partlyMoved } : undefined;
}

/** A tokenizer's batch always holds an attention mask beside `input_ids`; moving the ids alone leaves it behind. */
function isPartlyMoved(batch: BatchObject): boolean {
  const ids = batch.fields.get('input_ids');
  const areIdsMoved = ids?.kind === 'tensor' && ids.places.every((place) => place.kind === 'moved');
  const hasMask = !batch.origin.call.args.some(({ name, value }) => name === 'return_attention_mask' && value.kind === 'literal' && value.value === false);
  return areIdsMoved && hasMask && batch.fields.size === 1 && batch.origin.maker === 'tokenizer' && batch.places.every((place) => place.kind === 'unmoved' || place.kind === 'loaded');
}
