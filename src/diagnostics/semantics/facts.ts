/** What happened while the program was followed: the only thing rules look at. */
import type { CallExpr, Expr, FunctionStmt, LambdaExpr, Span } from '../syntax/ast';
import type { Frame } from './frame';
import type { Device, ModelObject, Origin, Place, Region, TensorValue, Value } from './values';

export interface ModelSeen {
  readonly id: number;
  readonly model: ModelObject;
}

/** One tensor (or a whole batch) handed to a model. */
export interface TensorArgument {
  /** The argument as written, for an argument that is not inside `**mapping`. */
  readonly expr?: Expr;
  readonly keyword?: string;
  readonly places: readonly Place[];
  readonly origin?: Origin;
  readonly batchId?: number;
  /** The value has `.to`: it is a tensor or a batch, not a dict of tensors. */
  readonly movable: boolean;
  /** The argument is a batch, perhaps unpacked with `**`. */
  readonly wholeBatch: boolean;
  /** A whole batch of which only `input_ids` was moved: its attention mask was not. */
  readonly partlyMoved: boolean;
}

/** `handed`: model and tensors go to a function that cannot be seen, which will bring them together. */
export type CallForm = 'generate' | 'forward' | 'chat' | 'handed';

/** `model.generate(…)`, `model(…)`, `model.chat(…)`, also through Thread and partial. */
export interface ModelCall {
  readonly form: CallForm;
  readonly call: CallExpr;
  readonly frame: Frame;
  /** Empty when nothing is known of the callee but its shape. */
  readonly models: readonly ModelSeen[];
  /** The model is one of `models` on every path. */
  readonly certain: boolean;
  /** Where other ways through the program have moved what is called here, whatever it is. */
  readonly movedTo: readonly Device[];
  /** Dotted name of the model as written here, when it is one. */
  readonly modelText?: string;
  readonly tensors: readonly TensorArgument[];
  /** Arguments were passed that cannot be seen. */
  readonly opaque: boolean;
  readonly length: LengthLimit;
  readonly settings: ReadonlyMap<string, Value>;
  readonly fromEvent: number;
  /** Later than `fromEvent` for a thread that runs on. */
  toEvent: number;
  /** Loops around the call, the innermost last. */
  readonly loops: readonly LoopSeen[];
  /** Functions of the file around the call. */
  readonly callDepth: number;
  /** Their names, and those of their classes, the innermost last. */
  readonly within: readonly string[];
  /** The function of the file that starts all this and that nothing in the file calls: a library or another file does. */
  readonly entry?: FunctionStmt | LambdaExpr;
}

/** How far the number of generated tokens is decided by the arguments. */
export type LengthLimit = 'fixed' | 'open' | 'unknown';

/** A loop, from its first round to its end. */
export interface LoopSeen {
  readonly from: number;
  /** Infinite while it is being followed. */
  to: number;
  /** `while`: it goes on until something happens, not over things one could count. */
  readonly isWhile: boolean;
}

/** `.to(device)` or `.cuda()` on a model. */
export interface ModelMove {
  readonly call: CallExpr;
  readonly models: readonly ModelSeen[];
  readonly certain: boolean;
  /** Inside a branch that asks, once the model is loaded, where it is or how it was loaded. */
  readonly guarded: boolean;
  /** No branch was entered between the loading and the move. */
  readonly unconditional: boolean;
  /** Conditions under which it runs, as written. */
  readonly conditions: readonly string[];
  readonly device: Device;
  readonly isSurelyDevice: boolean;
  readonly deviceArg?: Expr;
}

/** A bare statement `tensor.to(…)`. */
export interface DiscardedMove {
  readonly call: CallExpr;
  readonly receiver: Expr;
  readonly tensor: TensorValue;
  /** Last expression of a notebook cell, where it may be meant for display. */
  readonly isDisplayed: boolean;
}

/** A number of things divided by the time of these regions. */
export interface Rate {
  readonly expr: Span;
  readonly regions: readonly Region[];
  /** Functions of the file around the division. */
  readonly callDepth: number;
}

/** Two measured times or speeds set against each other. */
export interface Comparison {
  readonly expr: Span;
  readonly left: readonly Region[];
  readonly right: readonly Region[];
}

export type Happening =
  /** The host waited for the GPU, by `synchronize()` or by reading a result. */
  | { readonly kind: 'sync'; readonly event: number }
  /** A call of something unseen, which may read a result, and so wait for the GPU. */
  | { readonly kind: 'unseen'; readonly event: number }
  /** The program waited for a person to type. */
  | { readonly kind: 'asked'; readonly event: number }
  /** It has a page where people type. */
  | { readonly kind: 'page'; readonly event: number }
  /** Training or loading: a region with these is no measurement of a forward pass. */
  | { readonly kind: 'other-work'; readonly event: number };

/** A loop over prompts known one by one, with generate() inside. */
export interface PromptLoop {
  readonly loop: Span;
  readonly call: CallExpr;
  readonly numPrompts: number;
}

export interface Facts {
  readonly modelCalls: ModelCall[];
  readonly modelMoves: ModelMove[];
  readonly discardedMoves: DiscardedMove[];
  readonly elapsed: Region[];
  readonly rates: Rate[];
  readonly comparisons: Comparison[];
  readonly happenings: Happening[];
  readonly promptLoops: PromptLoop[];
  /** Loads without a dtype, for GLM302. */
  readonly plainLoads: { readonly call: CallExpr; readonly modelId: number }[];
  /** Last known state of every model, for rules that ask where it ended up. */
  readonly finalModels: Map<number, ModelObject>;
  /** Batches padded on the right: batch id → where the side was set. */
  readonly rightPadded: Map<number, Span>;
}

export function emptyFacts(): Facts {
  return {
    modelCalls: [],
    modelMoves: [],
    discardedMoves: [],
    elapsed: [],
    rates: [],
    comparisons: [],
    happenings: [],
    promptLoops: [],
    plainLoads: [],
    finalModels: new Map(),
    rightPadded: new Map(),
  };
}
