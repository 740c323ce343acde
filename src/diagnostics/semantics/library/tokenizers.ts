/** Tokenizers and processors: which calls give tensors, which give Python lists. */
import type { CallSite } from '../calls';
import type { CallArguments } from '../parameters';
import { createTensor, originAt } from '../tensors';
import { plain, stringOf, unknown, type RefValue, type Value } from '../values';

/** True when the call asks for PyTorch tensors. */
export function isTensorRequest(args: CallArguments): boolean {
  return tensorRequest(args) === 'pt';
}

function tensorRequest(args: CallArguments): 'pt' | 'other' | 'unknown' | undefined {
  const value = args.keywords.get('return_tensors')?.value;
  if (!value) {
    return undefined;
  }
  if (value.kind === 'module') {
    return value.path.endsWith('TensorType.PYTORCH') ? 'pt' : 'unknown';
  }
  const text = stringOf(value);
  return text === 'pt' ? 'pt' : value.kind === 'const' ? (value.value === null ? undefined : 'other') : 'unknown';
}

/** Methods that return one tensor, not a batch. */
const singleTensor = new Set(['encode', 'convert_tokens_to_ids']);
/** Methods that return text or numbers whatever they are given. */
const textResults = new Set(['decode', 'batch_decode', 'convert_ids_to_tokens', 'tokenize', 'save_pretrained', 'add_tokens', 'add_special_tokens', 'get_vocab', 'build_prompt', 'post_process_generation']);

/** `tokenizer(…)` and its methods. `receiver` is the tokenizer where it is known. */
export function callTokenizer(site: CallSite, method: string, receiver?: RefValue): Value {
  const { interpreter, args } = site;
  if (textResults.has(method)) {
    interpreter.facts.happenings.push({ kind: 'sync', event: interpreter.tick() });
    return unknown;
  }
  const isTemplate = method === 'apply_chat_template';
  const tokenize = args.keywords.get('tokenize')?.value;
  if (isTemplate && tokenize?.kind === 'const' && tokenize.value === false) {
    return unknown;
  }
  const request = method === 'build_chat_input' ? 'pt' : tensorRequest(args);
  if (request === undefined) {
    return plain;
  }
  if (request !== 'pt') {
    return unknown;
  }
  const returnDict = args.keywords.get('return_dict')?.value;
  const isBatch = isTemplate ? returnDict?.kind === 'const' && returnDict.value === true : !singleTensor.has(method);
  if (isTemplate && returnDict && returnDict.kind !== 'const') {
    return unknown;
  }
  const place = interpreter.defaultDeviceChanged || args.keywords.has('device') ? ({ kind: 'unknown' } as const) : ({ kind: 'unmoved' } as const);
  const origin = originAt(site, 'tokenizer');
  if (!isBatch) {
    return args.keywords.has('device') ? createTensor(site) : { kind: 'tensor', places: [place], origin };
  }
  const batch = interpreter.allocate({ kind: 'batch', places: [place], origin, fields: new Map() });
  noteRightPadding(site, batch, receiver);
  return batch;
}

function noteRightPadding(site: CallSite, batch: RefValue, receiver: RefValue | undefined): void {
  const { interpreter, args } = site;
  const tokenizer = receiver && interpreter.object(receiver);
  const side = args.keywords.get('padding_side')?.value ?? (tokenizer?.kind === 'tokenizer' ? tokenizer.paddingSide : undefined);
  const padding = args.keywords.get('padding')?.value;
  const pads = padding !== undefined && !(padding.kind === 'const' && (padding.value === false || padding.value === null || padding.value === 'do_not_pad'));
  const text = args.positional[0]?.value;
  const list = text && interpreter.object(text);
  const isMany = list?.kind === 'list' ? list.items?.length !== 1 : false;
  if (stringOf(side) === 'right' && pads && isMany) {
    interpreter.facts.rightPadded.set(batch.id, args.keywords.get('padding_side')?.expr ?? site.call);
  }
}
