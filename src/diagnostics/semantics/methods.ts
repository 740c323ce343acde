/** Methods of library objects: tensors, batches, dicts, lists, threads, clocks, tokenizers. */
import type { Expr } from '../syntax/ast';
import { callUnknown, invoke, runCallbacks, type CallSite } from './calls';
import { anyItem, batchItem, mergeInto, view } from './containers';
import { joinValues } from './join';
import { loadUnknownClass } from './library/loading';
import { callTokenizer, isTensorRequest } from './library/tokenizers';
import { consume, modelMethod, returnsSelf } from './models';
import { findDeviceArgument, moveBatch, moveTensor, moveUnknown } from './tensors';
import { optionsOf, plain, stringOf, unknown, type BatchObject, type DictObject, type ListObject, type RefValue, type ThreadObject, type Value } from './values';

export function invokeMethod(site: CallSite, receiver: Value, name: string, receiverExpr: Expr): Value {
  const models = site.interpreter.modelsIn(receiver);
  if (name === 'generate' && engineSettings.some((setting) => site.args.keywords.has(setting))) {
    return unknown;
  }
  if (models.length > 0) {
    return modelMethod(site, receiver, name, receiverExpr);
  }
  return optionsOf(receiver)
    .map((option) => invokeOnOption(site, option, name, receiverExpr))
    .reduce(joinValues);
}

function invokeOnOption(site: CallSite, receiver: Value, name: string, receiverExpr: Expr): Value {
  switch (receiver.kind) {
    case 'tensor':
      return tensorMethod(site, receiver, name);
    case 'plain':
      return name === 'to' || name === 'cuda' ? unknown : plain;
    case 'elapsed':
    case 'rate':
      return receiver;
    case 'perhapsModel':
      return returnsSelf.has(name) || name === 'to' || name === 'cuda' ? receiver : unknownMethod(site, name, receiverExpr);
    case 'const':
      return typeof receiver.value === 'string' ? unknown : callUnknown(site);
    case 'ref':
      return objectMethod(site, receiver, name, receiverExpr);
    default:
      return unknownMethod(site, name, receiverExpr);
  }
}

function objectMethod(site: CallSite, receiver: RefValue, name: string, receiverExpr: Expr): Value {
  const object = site.interpreter.object(receiver);
  switch (object?.kind) {
    case 'batch':
      return batchMethod(site, receiver, object, name);
    case 'dict':
      return dictMethod(site, receiver, object, name);
    case 'list':
      return listMethod(site, receiver, object, name);
    case 'tokenizer':
      return callTokenizer(site, name, receiver);
    case 'thread':
      return threadMethod(site, receiver, object, name);
    case 'cudaEvent':
      return cudaEventMethod(site, receiver, name);
    case 'pipeline':
      return name === 'to' ? receiver : unknown;
    case 'instance':
      // Library base classes (nn.Module) return the object itself from these.
      return name === 'to' || name === 'cuda' || name === 'eval' || name === 'half' ? receiver : unknownMethod(site, name, receiverExpr);
    default:
      return unknownMethod(site, name, receiverExpr);
  }
}

const plainResults = new Set(['tolist', 'numpy', 'item']);
const sizeResults = new Set(['size', 'dim', 'numel', 'nelement', 'element_size', 'stride']);

function tensorMethod(site: CallSite, tensor: Extract<Value, { kind: 'tensor' }>, name: string): Value {
  const { interpreter } = site;
  if (name === 'to' || name === 'cuda') {
    return moveTensor(site, tensor, name);
  }
  if (plainResults.has(name) || name === 'cpu') {
    interpreter.facts.happenings.push({ kind: 'sync', event: interpreter.tick() });
    return name === 'cpu' ? { ...tensor, places: [{ kind: 'unknown' }] } : plain;
  }
  if (sizeResults.has(name)) {
    return plain;
  }
  if (name === 'backward') {
    interpreter.facts.happenings.push({ kind: 'other-work', event: interpreter.tick() });
  }
  return { ...tensor, batchId: undefined };
}

function batchMethod(site: CallSite, ref: RefValue, batch: BatchObject, name: string): Value {
  const { interpreter, args } = site;
  const key = stringOf(args.positional[0]?.value);
  switch (name) {
    case 'to':
    case 'cuda':
      return moveBatch(site, ref, batch, name);
    case 'items':
    case 'keys':
    case 'values':
      return view(interpreter, ref, name);
    case 'get':
    case 'pop':
      return batchItem(batch, ref.id, key);
    case 'update': {
      const fields = new Map(batch.fields);
      args.keywords.forEach(({ value }, keyword) => fields.set(keyword, value));
      const rest = args.positional[0] ? mergeInto(interpreter, fields, args.positional[0].value, undefined) : undefined;
      interpreter.update(ref, { ...batch, fields, places: rest ? [...batch.places, { kind: 'unknown' }] : batch.places });
      return unknown;
    }
    case 'copy':
      return interpreter.allocate(batch);
    case 'convert_to_tensors':
      return ref;
    default:
      return unknown;
  }
}

function dictMethod(site: CallSite, ref: RefValue, dict: DictObject, name: string): Value {
  const { interpreter, args } = site;
  switch (name) {
    case 'items':
    case 'keys':
    case 'values':
      return view(interpreter, ref, name);
    case 'get':
    case 'pop':
    case 'setdefault': {
      const key = stringOf(args.positional[0]?.value);
      if (name === 'pop' && key !== undefined && dict.entries.has(key)) {
        interpreter.update(ref, { ...dict, entries: new Map([...dict.entries].filter(([entry]) => entry !== key)) });
      }
      return (key === undefined ? undefined : dict.entries.get(key)) ?? dict.rest ?? (key === undefined ? anyItem(interpreter, ref) : unknown);
    }
    case 'update': {
      const entries = new Map(dict.entries);
      let rest = dict.rest;
      for (const { value } of [...args.positional, ...args.mappings]) {
        rest = mergeInto(interpreter, entries, value, rest);
      }
      args.keywords.forEach(({ value }, keyword) => entries.set(keyword, value));
      interpreter.update(ref, { kind: 'dict', entries, rest });
      return unknown;
    }
    case 'copy':
      return interpreter.allocate(dict);
    case 'to': {
      // A plain dict has no .to; what a DataLoader yields often is a batch that has one.
      const moved = moveUnknown(site, name);
      const item = optionsOf(moved).find((option) => option.kind === 'tensor');
      return item && dict.entries.size === 0 ? interpreter.allocate({ kind: 'dict', entries: new Map(), rest: item }) : unknown;
    }
    default:
      return unknown;
  }
}

function listMethod(site: CallSite, ref: RefValue, list: ListObject, name: string): Value {
  const { interpreter, args } = site;
  const item = args.positional.at(-1)?.value;
  if ((name === 'append' || name === 'insert') && item) {
    const isEmpty = list.items?.length === 0;
    interpreter.update(ref, { kind: 'list', element: isEmpty ? item : joinValues(list.element, item) });
    return unknown;
  }
  if (name === 'extend' && item) {
    interpreter.update(ref, { kind: 'list', element: joinValues(list.element, unknown) });
    return unknown;
  }
  return name === 'pop' ? list.element : name === 'copy' ? ref : unknown;
}

function threadMethod(site: CallSite, ref: RefValue, thread: ThreadObject, name: string): Value {
  const { interpreter } = site;
  const { modelCalls } = interpreter.facts;
  if (name === 'start') {
    const firstCall = modelCalls.length;
    const keywords = new Map([...thread.keywords].map(([key, value]) => [key, { value }] as const));
    const threadSite: CallSite = { ...site, call: thread.call, args: { positional: thread.positional.map((value) => ({ value })), keywords, mappings: thread.mapping ? [{ value: thread.mapping }] : [], hasListUnpack: false } };
    invoke(threadSite, thread.target);
    // The thread runs on until it is joined.
    modelCalls.slice(firstCall).forEach((call) => (call.toEvent = Infinity));
    interpreter.update(ref, { ...thread, startedBy: firstCall });
  } else if (name === 'join' && thread.startedBy !== undefined) {
    const event = interpreter.tick();
    modelCalls.slice(thread.startedBy).forEach((call) => (call.toEvent = Math.min(call.toEvent, event)));
  }
  return unknown;
}

function cudaEventMethod(site: CallSite, ref: RefValue, name: string): Value {
  const { interpreter, call } = site;
  const object = interpreter.object(ref);
  if (name === 'record' && object?.kind === 'cudaEvent') {
    interpreter.update(ref, { ...object, recordedAt: interpreter.tick(), span: call });
  }
  if (name === 'synchronize') {
    interpreter.facts.happenings.push({ kind: 'sync', event: interpreter.tick() });
  }
  const other = site.args.positional[0] && interpreter.object(site.args.positional[0].value);
  if (name === 'elapsed_time' && object?.kind === 'cudaEvent' && other?.kind === 'cudaEvent' && object.recordedAt !== undefined && other.recordedAt !== undefined) {
    const region = { from: object.recordedAt, to: other.recordedAt, fromSpan: object.span, toSpan: other.span, byEvents: true };
    if (interpreter.isRecording) {
      interpreter.facts.elapsed.push(region);
    }
    return { kind: 'elapsed', regions: [region] };
  }
  return unknown;
}

/** Keywords that only a transformers model understands. */
const generateSettings = ['min_new_tokens', 'do_sample', 'input_ids', 'inputs_embeds', 'attention_mask', 'pad_token_id', 'num_beams', 'streamer', 'generation_config'];

/** Keywords of the generate() of other libraries (vLLM, FlexLLMGen, TensorRT-LLM, ExLlama, Mamba), which a transformers model refuses. */
const engineSettings = ['sampling_params', 'sampling_config', 'prompt_token_ids', 'use_tqdm', 'stop', 'max_tokens', 'end_id', 'pad_id', 'input_lengths', 'add_bos', 'gen_settings', 'enable_timing', 'cg'];

/** Servers and inference engines, which take text and keep their tensors to themselves. */
const engineName = /(client|engine|server|api|sglang|vllm|(^|[._])(llm|sampler))$/i;

/** A generate() of something unknown counts when only a transformers model would understand its arguments. */
function looksLikeGenerate({ interpreter, args }: CallSite, receiverExpr: Expr): boolean {
  if (engineName.test(interpreter.textOf(receiverExpr)) || engineSettings.some((setting) => args.keywords.has(setting))) {
    return false;
  }
  const limitsLength = args.keywords.has('max_new_tokens') || args.keywords.has('max_length');
  const isNamedModel = /(^|[._])model$/.test(interpreter.textOf(receiverExpr));
  const isText = args.positional[0]?.value.kind === 'const' || args.positional[0]?.expr?.kind === 'string';
  return (
    generateSettings.some((setting) => args.keywords.has(setting)) ||
    args.mappings.length > 0 ||
    (limitsLength && !isText && (args.positional[0]?.value.kind === 'tensor' || isNamedModel))
  );
}

/** `timer.start("decode")` … `seconds = timer.stop("decode")` of a class that cannot be seen; it may wait for the GPU itself. */
function readTimer({ interpreter, call, args }: CallSite, name: string, receiverExpr: Expr): Value | undefined {
  const receiver = interpreter.textOf(receiverExpr);
  if (!/(timer|stopwatch)$/i.test(receiver)) {
    return undefined;
  }
  const key = `${receiver}:${stringOf(args.positional[0]?.value) ?? ''}`;
  if (name === 'start' || name === 'tic') {
    interpreter.timers.set(key, { event: interpreter.tick(), span: call });
    return unknown;
  }
  const started = interpreter.timers.get(key);
  const isReading = name === 'stop' || name === 'toc' || name === 'elapsed';
  return started && isReading ? { kind: 'elapsed', regions: [{ from: started.event, to: interpreter.tick(), fromSpan: started.span, toSpan: call, byEvents: true }] } : undefined;
}

/** Exchanges between processes: a region that contains one is an epoch of training or evaluation. */
const collective = new Set(['gather', 'gather_for_metrics', 'pad_across_processes', 'wait_for_everyone', 'all_reduce', 'all_gather', 'barrier']);

function unknownMethod(site: CallSite, name: string, receiverExpr: Expr): Value {
  const { interpreter, args } = site;
  if (name === 'to' || name === 'cuda') {
    const target = findDeviceArgument(site, name);
    if (target?.device.kind === 'literal' && target.device.name === 'cpu') {
      interpreter.facts.happenings.push({ kind: 'sync', event: interpreter.tick() });
    }
    return target ? moveUnknown(site, name) : unknown;
  }
  if (name === 'from_pretrained') {
    return loadUnknownClass(site);
  }
  const timed = readTimer(site, name, receiverExpr);
  if (timed) {
    return timed;
  }
  if (name === 'parse_args' || name === 'parse_known_args') {
    // What the program stores on its arguments (`args.device = …`) is read back elsewhere.
    const namespace = interpreter.allocate({ kind: 'dict', entries: new Map(), isOpen: true });
    return name === 'parse_args' ? namespace : { kind: 'tuple', items: [namespace, unknown] };
  }
  if (name === 'prepare') {
    return prepareForAccelerate(site);
  }
  if (name === 'unwrap_model') {
    return args.positional[0]?.value ?? unknown;
  }
  if (name === 'encode' || name === 'apply_chat_template' || isTensorRequest(args) || (name === 'build_chat_input' && /tokenizer/i.test(interpreter.textOf(receiverExpr)))) {
    runCallbacks(site);
    return isTensorRequest(args) || name === 'build_chat_input' ? callTokenizer(site, name) : /tokenizer|processor/i.test(interpreter.textOf(receiverExpr)) ? plain : unknown;
  }
  if (name === 'generate' && looksLikeGenerate(site, receiverExpr)) {
    return consume(site, unknown, false, 'generate', receiverExpr);
  }
  if (name === 'step' || name === 'backward' || collective.has(name)) {
    interpreter.facts.happenings.push({ kind: 'other-work', event: interpreter.tick() });
    return unknown;
  }
  if (plainResults.has(name) || name === 'cpu' || name === 'batch_decode' || name === 'decode' || name === 'add_batch') {
    interpreter.facts.happenings.push({ kind: 'sync', event: interpreter.tick() });
    return name === 'cpu' || name === 'decode' || name === 'batch_decode' ? unknown : plain;
  }
  return callUnknown(site);
}

/** `accelerator.prepare(model, loader)`: the model is placed, and the loader moves its batches itself. */
function prepareForAccelerate(site: CallSite): Value {
  const { interpreter, args } = site;
  const items = args.positional.map(({ value }): Value => {
    for (const { ref, model } of interpreter.modelsIn(value)) {
      interpreter.update(ref, { ...model, placements: [{ kind: 'unknown' }] });
    }
    return interpreter.object(value)?.kind === 'loader' ? unknown : value;
  });
  return items.length === 1 ? (items[0] ?? unknown) : { kind: 'tuple', items };
}
