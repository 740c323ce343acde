/** What the runtime's arena holds at the peak of a chunk of a prompt, from the peaks of shorter ones. Pure. */

/** The arena's peak after a run of so many tokens. */
export interface ArenaPeak {
  readonly tokens: number;
  readonly bytes: number;
}

/**
 * Every tensor that is alive at the peak has a row per token, so the peak grows with the chunk (0.39 MiB of 2 tokens, 3.25 of 16, 48.25 of 256, in a 1.5B
 * model). What more a run takes that has many positions before it is attention's scratch, which has a row per token too, but of at most two head widths.
 *
 * @param measured.near  Of a run with no positions before it.
 * @param measured.far   Of one with many before it, and more tokens.
 * @see onnxruntime/contrib_ops/cpu/bert/gqa_attention_base.h, ApplyAttentionFlash: `q_block_size`
 */
export function longChunkBytes(tokens: number, { near, far, headDim }: { readonly near: ArenaPeak; readonly far: ArenaPeak; readonly headDim: number }): number {
  const tensorBytesPerToken = Math.min(near.bytes / near.tokens, far.bytes / far.tokens);
  const scratchBytesPerToken = far.bytes / far.tokens - tensorBytesPerToken;
  return Math.ceil(tensorBytesPerToken * tokens + scratchBytesPerToken * Math.min(tokens, Math.max(far.tokens, 2 * headDim)));
}
