/**
 * What the analyser knows about a value: abstract, immutable, joined where paths of the program meet.
 *
 * Things a program changes in place (models, batches, dicts, objects) are {@link RefValue}s into the heap of {@link State}.
 * `unknown` is the answer to every doubt; rules stay silent on it.
 */
import type { CallExpr, ClassStmt, Expr, FunctionStmt, LambdaExpr, Span } from '../syntax/ast';
import type { Frame } from './frame';

/** Where a device expression gets its device from. */
export type Device =
  /** Spelled out, such as `cuda:0`; bare numbers are spelled `cuda:N`. */
  | { readonly kind: 'literal'; readonly name: string }
  /** Picked by a visible `is_available()`; `name`: the name it has in this branch. */
  | { readonly kind: 'availability'; readonly name?: string }
  /** Read from a model, so right by construction. */
  | { readonly kind: 'model'; readonly modelId: number }
  | { readonly kind: 'unknown' };

/** Where a tensor lies. */
export type Place =
  /** Created on the CPU in plain sight and not moved since. */
  | { readonly kind: 'unmoved' }
  /** Surely on the CPU, but not by a call one could append to: what a DataLoader yields. */
  | { readonly kind: 'loaded' }
  | { readonly kind: 'moved'; readonly device: Device; readonly move: Move }
  | { readonly kind: 'unknown' };

/** The expression that moved a tensor, with what a fix needs to know about that spot. */
export interface Move {
  readonly call: CallExpr;
  /** The device as written; undefined for `.cuda()`. */
  readonly deviceArg?: Expr;
  /** `.to` and `.cuda` are methods; `torch.tensor(…, device=…)` is a factory. */
  readonly form: 'method' | 'factory';
  readonly frame: Frame;
  /** Model id → the names it had at that spot. */
  readonly models: ReadonlyMap<number, readonly string[]>;
  /** Made in a branch, entered then, where the model is known not to be spread; 0 outside of such. */
  readonly plainSince: number;
  /** The same for a branch where a map is known to spread it (`if device_map == "auto":`). */
  readonly spreadSince: number;
}

/** The call that created a tensor or batch. */
export interface Origin {
  readonly call: CallExpr;
  readonly frame: Frame;
  readonly models: ReadonlyMap<number, readonly string[]>;
  readonly maker: 'tokenizer' | 'torch' | 'derived';
}

export interface TensorValue {
  readonly kind: 'tensor';
  readonly places: readonly Place[];
  readonly origin?: Origin;
  /** Taken out of this batch; `field` is the key. */
  readonly batchId?: number;
  readonly field?: string;
}

/** Clock readings between which something ran: pairs of event numbers. */
export interface Region {
  readonly from: number;
  readonly to: number;
  readonly fromSpan: Span;
  readonly toSpan: Span;
  /** Measured by CUDA events, which need no synchronize. */
  readonly byEvents: boolean;
}

export type Value =
  | { readonly kind: 'unknown' }
  /** `fromDefault`: the default of a parameter that this call left out; `mayDiffer`: of one that nobody in this file calls; `when`: the condition on which a conditional expression gives it. */
  | { readonly kind: 'const'; readonly value: string | number | boolean | null; readonly fromDefault?: boolean; readonly mayDiffer?: boolean; readonly when?: string }
  | { readonly kind: 'tuple'; readonly items: readonly Value[] }
  | TensorValue
  | { readonly kind: 'device'; readonly device: Device }
  /** A boolean computed from `is_available()`. */
  | { readonly kind: 'availability' }
  /** Python numbers made by a tokenizer or by `.tolist()`; `torch.tensor` of it starts on the CPU. */
  | { readonly kind: 'plain' }
  | { readonly kind: 'timestamp'; readonly event: number; readonly span: Span }
  | { readonly kind: 'elapsed'; readonly regions: readonly Region[] }
  /** A speed computed from timed regions. */
  | { readonly kind: 'rate'; readonly regions: readonly Region[] }
  /** What an unseen function made of a model, or loaded: that model, if the program goes on to call it one. */
  | { readonly kind: 'perhapsModel'; readonly model: RefValue }
  /** The keys or the `(key, value)` pairs of a container, so that `x[k] = …` over all keys is understood. */
  | { readonly kind: 'keyOf'; readonly id: number }
  | { readonly kind: 'module'; readonly path: string }
  | FunctionValue
  | ClassValue
  /** A method of a library object, bound but not yet called. */
  | { readonly kind: 'method'; readonly receiver: Value; readonly name: string; readonly expr: Expr }
  | RefValue
  | { readonly kind: 'union'; readonly options: readonly Value[] };

/** A function or method of this file. */
export interface FunctionValue {
  readonly kind: 'function';
  readonly def: FunctionStmt | LambdaExpr;
  readonly closure: Frame;
  readonly self?: Value;
  readonly owner?: ClassValue;
  /** Keywords given by `functools.partial`. */
  readonly bound?: ReadonlyMap<string, Value>;
}

export interface ClassValue {
  readonly kind: 'class';
  readonly def: ClassStmt;
  readonly frame: Frame;
  readonly bases: readonly Value[];
}

export interface RefValue {
  readonly kind: 'ref';
  readonly id: number;
  /** Offset of the call that loaded a model: following the same call again makes another object of the same model. */
  readonly loadedAt?: number;
}

/** What `device_map` said. `multi` may spread the layers over devices; `single` names one device. */
export type DeviceMap =
  | { readonly kind: 'none' }
  /** `when`: only on this condition, as written; `mayDiffer`: the default of a parameter that nobody in this file gives; `first`: where it visibly starts; `hasOneGpu`: the program leaves it one GPU to choose. */
  | { readonly kind: 'multi'; readonly when?: string; readonly mayDiffer?: boolean; readonly first?: Device; readonly hasOneGpu?: boolean }
  | { readonly kind: 'single'; readonly device: Device }
  | { readonly kind: 'unknown' };

/** `foreign` libraries run the model where they like (OpenVINO, ipex-llm): device rules do not apply. `awq`: quantized by a loader of its own (AutoAWQ, HQQ, AutoGPTQ, Unsloth), after which a move is documented. `gptq`: quantized here by its rules; `unseen`: the class is not visible. */
export type ModelLibrary = 'transformers' | 'awq' | 'gptq' | 'foreign' | 'unseen';

export type Placement = 'unplaced' | Device;

export interface ModelObject {
  readonly kind: 'model';
  readonly origin: Span;
  /** Event number of the load. */
  readonly loadedSince: number;
  readonly library: ModelLibrary;
  readonly deviceMaps: readonly DeviceMap[];
  readonly quantized: readonly boolean[];
  /** The quantization config is made on some paths only. */
  readonly isPerhapsPlain?: boolean;
  /** Last explicit move on each path; `unplaced` where there was none. */
  readonly placements: readonly Placement[];
  /** Loaded in a branch for machines or runs without a CUDA GPU. */
  readonly isForHost: boolean;
  /** Loaded by the module itself, in no function. */
  readonly isOfModule: boolean;
  /** For such a model: the function, called by the module, that moved it (by where it begins), and where the model was before. */
  readonly movedBy?: { readonly start: number; readonly before: readonly Placement[] };
  /** Wrapped by DataParallel or its like, which copies inputs to the device of the model. */
  readonly scattersInputs?: boolean;
  /** `generation_config` attributes set by hand, so that lengths may be fixed there. */
  readonly generationConfig?: Value;
}

export interface BatchObject {
  readonly kind: 'batch';
  readonly places: readonly Place[];
  readonly origin: Origin;
  /** Values stored by key after creation. */
  readonly fields: ReadonlyMap<string, Value>;
}

export interface DictObject {
  readonly kind: 'dict';
  readonly entries: ReadonlyMap<string, Value>;
  /** What unnamed keys may hold. */
  readonly rest?: Value;
  /** Parsed arguments: an entry the program did not store may still come from the command line. */
  readonly isOpen?: boolean;
  /** A configuration: the branch that made it, by when it was entered. */
  readonly madeIn?: number;
}

export interface ListObject {
  readonly kind: 'list';
  readonly items?: readonly Value[];
  readonly element: Value;
}

export interface InstanceObject {
  readonly kind: 'instance';
  readonly cls: ClassValue;
  readonly attributes: ReadonlyMap<string, Value>;
}

export interface ThreadObject {
  readonly kind: 'thread';
  readonly call: CallExpr;
  readonly target: Value;
  readonly positional: readonly Value[];
  readonly keywords: ReadonlyMap<string, Value>;
  /** `kwargs=` as a whole, when it is no plain dict. */
  readonly mapping?: Value;
  /** Number of model calls known before it was started. */
  readonly startedBy?: number;
}

export interface TokenizerObject {
  readonly kind: 'tokenizer';
  readonly origin: Span;
  readonly paddingSide?: Value;
}

/** `torch.cuda.Event`. */
export interface CudaEventObject {
  readonly kind: 'cudaEvent';
  readonly recordedAt?: number;
  readonly span: Span;
}

export interface LoaderObject {
  readonly kind: 'loader';
  /** False when a collate function or dataset of the user may move tensors. */
  readonly staysOnCpu: boolean;
  /** What the user's own collate function returns, where the file shows it. */
  readonly batch?: Value;
}

export interface PipelineObject {
  readonly kind: 'pipeline';
  readonly model: Value;
  readonly tokenizer: Value;
}

export type HeapObject = ModelObject | BatchObject | DictObject | ListObject | InstanceObject | ThreadObject | TokenizerObject | CudaEventObject | LoaderObject | PipelineObject;

/** `device_map` names that leave the placement to accelerate. */
export const spreadingMaps: ReadonlySet<unknown> = new Set(['auto', 'balanced', 'balanced_low_0', 'sequential']);

export const unknown: Value = { kind: 'unknown' };
export const none: Value = { kind: 'const', value: null };
export const plain: Value = { kind: 'plain' };

export function constant(value: string | number | boolean | null): Value {
  return { kind: 'const', value };
}

export function tensorAt(place: Place, origin?: Origin): TensorValue {
  return { kind: 'tensor', places: [place], origin };
}

/** Every alternative of a value; a value that is no union is its own only one. */
export function optionsOf(value: Value): readonly Value[] {
  return value.kind === 'union' ? value.options : [value];
}

export function stringOf(value: Value | undefined): string | undefined {
  return value?.kind === 'const' && typeof value.value === 'string' ? value.value : undefined;
}
