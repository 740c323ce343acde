/**
 * What the generation loop needs from a loaded model. Implemented by src/engine/worker over one or more stages, and by fakes in tests.
 *
 * A slot is one sequence's place in the KV cache. `length(slot)` positions of it are valid; everything after is free to overwrite.
 */

/** The logits of one position. Kept valid until the next call on the same runner; where calls overlap, until the next call of the same kind has its result. */
export interface StepLogits {
  /**
   * The highest logits in descending order, when the device picked them already: `ids` i32[k], `values` f32[k].
   * Undefined where the runner always has the full row at hand.
   */
  readonly top?: { readonly ids: Int32Array; readonly values: Float32Array };
  /** The whole row, f32[vocabSize]. May copy from a device. */
  full(): Promise<Float32Array>;
}

export interface DecodeRow {
  readonly slot: number;
  /** The token to append at position `length(slot)`. */
  readonly tokenId: number;
}

export interface StepRunner {
  readonly vocabSize: number;
  /** Positions allocated per slot. */
  readonly contextTokens: number;
  readonly maxBatch: number;
  /** Most tokens that one prefill call takes; the loop cuts prompts accordingly, so that a cancel waits for one chunk only. */
  readonly prefillChunkTokens: number;

  /** As {@link prefillChunkTokens} while others wait for their next tokens, which a chunk delays. Absent: the same. */
  readonly chunkTokensBesideAnswers?: number;
  /** A last chunk above this is halved: only one stage of several works on it at a time. Absent: never. */
  readonly finalChunkTokens?: number;
  /**
   * True: work is queued in the order of the calls and done while further calls are made. A prefill that wants no logits returns when it is queued, and its slot may be used
   * at once; a prefill and a decode step may be under way together, not two of a kind except prefills whose logits are awaited. Otherwise each call waits for the one before.
   */
  readonly overlapsCalls?: boolean;
  /** Resolves when the next prefill would be queued at once; only where calls overlap. */
  room?(): Promise<void>;

  length(slot: number): number;

  /** Declares that only the first `length` positions of a slot are valid. @throws when `length` exceeds the valid ones. */
  rewindTo(slot: number, length: number): void;

  /**
   * Appends `ids` (1 … prefillChunkTokens) to a slot and, when `wantLogits`, returns the logits after the last one.
   * @throws {GlmError} `context-full` when the slot has no room; the slot keeps its length.
   */
  prefill(slot: number, ids: Int32Array, wantLogits: boolean): Promise<StepLogits | undefined>;

  /** Appends one token to each of several different slots; logits in the order of `rows`. Rows may have different lengths. */
  decode(rows: readonly DecodeRow[]): Promise<readonly StepLogits[]>;
}
