/** What the libraries' functions return: torch, time, builtins, transformers, accelerate. */
import { escape, callUnknown, mayHoldTensor, namedRate, runCallbacks, type CallSite } from '../calls';
import { attributeOf } from '../attributes';
import { regionsOf } from '../arithmetic';
import { iterate, mergeInto } from '../containers';
import { deviceOf } from '../devices';
import { createTensor, deriveTensor } from '../tensors';
import { constant, optionsOf, plain, stringOf, unknown, type Value } from '../values';
import { perhapsGivenModel } from '../perhapsModel';
import { createPipeline, loadPretrained, loadUnknownClass, passModelOn, perhapsLoadedModel } from './loading';
import { isTensorRequest, callTokenizer } from './tokenizers';

const clocks = /^(time\.(time|perf_counter|monotonic|process_time)(_ns)?|timeit\.default_timer|datetime\.(datetime\.)?(now|utcnow)|builtins\.(perf_counter|default_timer))$/;
const torchFactories = new Set(['tensor', 'as_tensor', 'from_numpy', 'zeros', 'ones', 'full', 'empty', 'arange', 'linspace', 'rand', 'randn', 'randint', 'eye', 'LongTensor', 'FloatTensor', 'IntTensor', 'Tensor', 'BoolTensor', 'HalfTensor']);
const torchDerived = new Set(['zeros_like', 'ones_like', 'full_like', 'empty_like', 'rand_like', 'randn_like', 'clone', 'cat', 'concat', 'stack', 'hstack', 'vstack', 'unsqueeze', 'squeeze', 'argmax', 'repeat_interleave', 'flip', 'where']);
const timePreserving = new Set(['sum', 'mean', 'median', 'average', 'min', 'max', 'round', 'float', 'int', 'abs', 'array', 'asarray', 'tensor', 'sorted', 'percentile', 'quantile', 'fmean', 'list', 'Decimal']);
/** Packages whose functions do not move a batch behind the caller's back. */
const harmless = new Set(['builtins', 'torch', 'time', 'os', 'sys', 'json', 'numpy', 'np', 'copy', 'logging', 'math', 'random', 'transformers', 'datetime', 'pprint', 're']);

export function callLibrary(site: CallSite, path: string): Value {
  const { interpreter, call, args, frame } = site;
  const segments = path.split('.');
  const name = segments.at(-1) ?? '';
  const root = segments[0] ?? '';
  if (clocks.test(path)) {
    return { kind: 'timestamp', event: interpreter.tick(), span: call };
  }
  if (name === 'from_pretrained' || name === 'from_quantized' || name === 'from_config') {
    const classPath = segments.slice(0, -1).join('.');
    return segments.length > 2 || root !== 'builtins' ? loadPretrained(site, classPath) : loadUnknownClass(site);
  }
  const timed = timePreserving.has(name) ? timesIn(site) : undefined;
  if (timed) {
    return { kind: 'elapsed', regions: timed };
  }
  if (/^(streamlit|gradio|chainlit|nicegui)$/.test(root) && /^(chat_input|text_input|text_area|ChatInterface|Interface|Blocks|Chatbot|on_message)$/.test(name)) {
    interpreter.facts.happenings.push({ kind: 'page', event: interpreter.tick() });
  }
  if (name === 'synchronize') {
    interpreter.facts.happenings.push({ kind: 'sync', event: interpreter.tick() });
    return unknown;
  }
  if ((name === 'is_available' && /^(torch|transformers|accelerate|intel_extension_for_pytorch|torch_npu)/.test(root)) || /^is_torch_\w*available$|^is_cuda_available$/.test(name)) {
    return { kind: 'availability' };
  }
  const handed = passModelOn(site, path);
  if (handed) {
    return handed;
  }
  if (root === 'builtins') {
    const builtin = callBuiltin(site, name);
    if (builtin) {
      return builtin;
    }
  }
  if (root === 'torch') {
    return callTorch(site, path, name);
  }
  switch (name) {
    case 'pipeline':
      return createPipeline(site);
    case 'GenerationConfig':
    case 'BitsAndBytesConfig':
    case 'GPTQConfig':
    case 'dict':
      return dictOf(site);
    case 'DataLoader':
      return createLoader(site);
    case 'Thread':
      return createThread(site);
    case 'deepcopy':
    case 'copy': {
      const value = args.positional[0]?.value ?? unknown;
      const object = interpreter.object(value);
      return object && object.kind !== 'model' ? interpreter.allocate(object) : value;
    }
    case 'tqdm':
    case 'trange':
    case 'track':
      return args.positional[0]?.value ?? unknown;
    case 'infer_auto_device_map':
      return isConfinedToHost(site) ? unknown : constant('auto');
    case 'partial':
      return bindKeywords(site);
  }
  if (/^(fast)?_?(tokenizer|processor)$/i.test(name) && isTensorRequest(args)) {
    return callTokenizer(site, '__call__');
  }
  runCallbacks(site);
  if (isTensorRequest(args)) {
    return callTokenizer(site, name === 'encode' || name === 'apply_chat_template' ? name : '__call__');
  }
  if ((root === 'numpy' || root === 'np') && args.positional.some(({ value }) => mayHoldTensor(value))) {
    interpreter.facts.happenings.push({ kind: 'unseen', event: interpreter.tick() });
  }
  if (harmless.has(root)) {
    return call.func.kind === 'name' && root === 'builtins' ? callUnknown(site) : unknown;
  }
  const isMethodOfImport = call.func.kind === 'attribute' && frame !== undefined;
  escape(site);
  return isMethodOfImport ? (namedRate(site, name) ?? perhapsGivenModel(site) ?? perhapsLoadedModel(site, path) ?? unknown) : callUnknown(site, path);
}

/** A map over whatever devices there are, as "auto" is, unless `max_memory` grants room on the CPU and the disk only. */
function isConfinedToHost({ interpreter, args }: CallSite): boolean {
  const limits = args.keywords.get('max_memory')?.value ?? args.positional[1]?.value;
  const object = limits && interpreter.object(limits);
  return object?.kind === 'dict' && object.rest === undefined && object.entries.size > 0 && [...object.entries.keys()].every((device) => device === 'cpu' || device === 'disk');
}

/** The timed regions among the arguments, or in lists given as arguments. */
function timesIn(site: CallSite): ReturnType<typeof regionsOf> {
  const regions = site.args.positional.flatMap(({ value }) => {
    const object = site.interpreter.object(value);
    return regionsOf(object?.kind === 'list' ? object.element : value) ?? [];
  });
  return regions.length > 0 ? regions : undefined;
}

function callTorch(site: CallSite, path: string, name: string): Value {
  const { interpreter, args, call } = site;
  const first = args.positional[0]?.value;
  if (path === 'torch.device') {
    const device = first && deviceOf(first);
    return device ? { kind: 'device', device } : { kind: 'device', device: { kind: 'unknown' } };
  }
  if (/^torch\.cuda\.\w*Tensor$/.test(path)) {
    return { kind: 'tensor', places: [{ kind: 'unknown' }] };
  }
  if (path === 'torch.compile' && first?.kind === 'function') {
    return first;
  }
  if (path === 'torch.cuda.Event') {
    return interpreter.allocate({ kind: 'cudaEvent', span: call });
  }
  if (/set_default_(device|tensor_type)$/.test(name)) {
    interpreter.defaultDeviceChanged ||= !(first && stringOf(first) === 'cpu');
    return unknown;
  }
  if (/^torch\.(utils\.data\.)?DataLoader$/.test(path) || name === 'DataLoader') {
    return createLoader(site);
  }
  if (/^torch\.(save|allclose|equal|nonzero|unique|masked_select)$/.test(path) || ((name === 'tensor' || name === 'as_tensor') && first && holdsUnknown(interpreter, first))) {
    // Writing, comparing, counting, and making a tensor of values that lie on the GPU, read them back.
    interpreter.facts.happenings.push({ kind: 'sync', event: interpreter.tick() });
  }
  if ((name === 'tensor' || name === 'as_tensor') && first?.kind === 'tensor' && !args.keywords.has('device')) {
    return deriveTensor(site, [first]);
  }
  if (torchFactories.has(name) && path === `torch.${name}`) {
    return createTensor(site);
  }
  if (torchDerived.has(name) && path === `torch.${name}`) {
    const list = first && interpreter.object(first);
    const sources = list?.kind === 'list' ? (list.items ?? [list.element]) : first?.kind === 'tuple' ? first.items : first ? [first] : [];
    return deriveTensor(site, sources);
  }
  runCallbacks(site);
  return unknown;
}

/** `[[token]]`: a list whose innermost items may be tensors. */
function holdsUnknown(interpreter: CallSite['interpreter'], value: Value): boolean {
  const object = interpreter.object(value);
  const items = object?.kind === 'list' ? (object.items ?? [object.element]) : value.kind === 'tuple' ? value.items : [];
  return items.some((item) => item.kind === 'unknown' || item.kind === 'tensor' || holdsUnknown(interpreter, item));
}

function callBuiltin(site: CallSite, name: string): Value | undefined {
  const { interpreter, args, call, frame } = site;
  const first = args.positional[0]?.value;
  switch (name) {
    case 'next':
    case 'iter':
    case 'list':
    case 'tuple':
    case 'set':
    case 'sorted':
    case 'reversed': {
      if (!first) {
        return name === 'list' ? interpreter.allocate({ kind: 'list', items: [], element: unknown }) : unknown;
      }
      if (name === 'iter' || name === 'reversed') {
        return first;
      }
      const { element } = iterate(interpreter, first);
      return name === 'next' ? element : interpreter.allocate({ kind: 'list', element });
    }
    case 'enumerate': {
      const element: Value = { kind: 'tuple', items: [unknown, first ? iterate(interpreter, first).element : unknown] };
      return interpreter.allocate({ kind: 'list', element });
    }
    case 'zip':
      return interpreter.allocate({ kind: 'list', element: { kind: 'tuple', items: args.positional.map(({ value }) => iterate(interpreter, value).element) } });
    case 'dict':
      return dictOf(site);
    case 'len':
    case 'range':
      return plain;
    case 'float':
    case 'int':
    case 'str':
    case 'bool':
      // Whatever is not known here may lie on the GPU (`int(next_token[0])`), and is read back.
      if (first?.kind === 'tensor' || (first?.kind === 'unknown' && name !== 'str')) {
        interpreter.facts.happenings.push({ kind: 'sync', event: interpreter.tick() });
      }
      return name === 'str' && first && optionsOf(first).every((option) => option.kind === 'device') ? first : first?.kind === 'const' && name !== 'bool' ? first : unknown;
    case 'getattr': {
      const attribute = stringOf(args.positional[1]?.value);
      const object = args.positional[0];
      if (attribute === undefined || !object?.expr) {
        return unknown;
      }
      const found = attributeOf(interpreter, object.value, { kind: 'attribute', start: call.start, end: call.end, object: object.expr, name: attribute, nameSpan: call });
      const otherwise = args.positional[2]?.value;
      return optionsOf(found).every((option) => option.kind === 'method' && option.receiver.kind === 'ref' && interpreter.object(option.receiver)?.kind !== 'model') ? (otherwise ?? unknown) : found;
    }
    case 'input':
      interpreter.facts.happenings.push({ kind: 'asked', event: interpreter.tick() });
      return unknown;
    case 'print':
    case 'repr':
    case 'display':
      if (args.positional.some(({ value, expr }) => expr?.kind !== 'string' && mayHoldTensor(value))) {
        interpreter.facts.happenings.push({ kind: 'unseen', event: interpreter.tick() });
      }
      return unknown;
    case 'isinstance':
    case 'hasattr':
    case 'type':
    case 'id':
      return unknown;
    case 'map':
    case 'filter':
      runCallbacks(site);
      return unknown;
    case 'super':
      return frame.self?.value ?? unknown;
    default:
      return undefined;
  }
}

function dictOf(site: CallSite): Value {
  const { interpreter, args } = site;
  const entries = new Map<string, Value>();
  let rest: Value | undefined;
  for (const { value } of [...args.positional, ...args.mappings]) {
    rest = mergeInto(interpreter, entries, value, rest);
  }
  args.keywords.forEach(({ value }, key) => entries.set(key, value));
  return interpreter.allocate({ kind: 'dict', entries, rest, madeIn: interpreter.branches.at(-1) });
}

function createLoader(site: CallSite): Value {
  const { interpreter, args } = site;
  const collate = args.keywords.get('collate_fn')?.value;
  const dataset = args.positional[0]?.value ?? args.keywords.get('dataset')?.value;
  const isOwnDataset = dataset !== undefined && interpreter.object(dataset)?.kind === 'instance';
  const isLibraryCollate = collate === undefined || (collate.kind === 'module' && /(DataCollator|default_data_collator)/.test(collate.path));
  const batch = collate && collateOnce(site, collate);
  return interpreter.allocate({ kind: 'loader', staysOnCpu: isLibraryCollate && !isOwnDataset, batch });
}

/** What a collate function or collator object of this file returns for examples that nobody knows. */
function collateOnce({ interpreter }: CallSite, collate: Value): Value | undefined {
  const object = interpreter.object(collate);
  const method = object?.kind === 'instance' ? interpreter.classAttribute(object.cls, '__call__') : undefined;
  const target = collate.kind === 'function' ? collate : method?.kind === 'function' && object?.kind === 'instance' ? { ...method, self: collate, owner: object.cls } : undefined;
  const batch = target && interpreter.call(target, undefined);
  return batch?.kind === 'unknown' ? undefined : batch;
}

/** `functools.partial` of a function of this file. */
function bindKeywords({ args }: CallSite): Value {
  const func = args.positional[0]?.value;
  if (func?.kind !== 'function' || args.positional.length > 1) {
    return unknown;
  }
  return { ...func, bound: new Map([...(func.bound ?? []), ...[...args.keywords].map(([name, { value }]) => [name, value] as const)]) };
}

function createThread(site: CallSite): Value {
  const { interpreter, call, args } = site;
  const target = args.keywords.get('target')?.value ?? unknown;
  const positional = args.keywords.get('args')?.value;
  const kwargs = args.keywords.get('kwargs')?.value;
  const object = kwargs && interpreter.object(kwargs);
  const isPlainDict = object?.kind === 'dict' && object.rest === undefined;
  return interpreter.allocate({
    kind: 'thread',
    call,
    target,
    positional: positional?.kind === 'tuple' ? positional.items : [],
    keywords: isPlainDict ? object.entries : new Map(),
    mapping: kwargs && !isPlainDict ? kwargs : undefined,
  });
}

