/**
 * Whether long prefill chunks can be trusted on this adapter.
 *
 * From 32 tokens on, the WebGPU provider attends with another kernel, which computes garbage on some adapters (seen on SwiftShader: logits off
 * by a standard deviation, silently). Running the same tokens in short chunks, which use the first kernel, tells.
 */

import { deviationOf } from './logitDeviation';
import type { StageRunner } from './stageRunner';

const longTokens = 48;
/** Below the length at which the kernels change. */
export const safeChunkTokens = 16;
/** Rounding in f16 differs by some hundredths of the logits' standard deviation; the fault by a third and more. */
const mostDeviation = 0.1;

/** Largest difference between both ways over the logits' standard deviation; undefined when the context is too short to tell. Leaves slot 0 empty. */
export async function measureLongPrefill(runner: StageRunner): Promise<number | undefined> {
  const tokens = Math.min(longTokens, runner.prefillChunkTokens, runner.contextTokens);
  if (tokens <= 2 * safeChunkTokens - 1) {
    return undefined;
  }
  // Any tokens do; spread over the vocabulary so that positions differ.
  const ids = Int32Array.from({ length: tokens }, (_, index) => (index * 7919 + 13) % runner.vocabSize);
  runner.rewindTo(0, 0);
  const long = Float32Array.from((await (await runner.prefill(0, ids, true))?.full()) ?? []);
  runner.rewindTo(0, 0);
  let short: Float32Array = new Float32Array();
  for (let start = 0; start < tokens; start += safeChunkTokens) {
    const chunk = ids.subarray(start, Math.min(tokens, start + safeChunkTokens));
    short = (await (await runner.prefill(0, chunk, true))?.full()) ?? short;
  }
  const deviation = deviationOf(long, short);
  runner.rewindTo(0, 0);
  return deviation;
}

export function isLongPrefillSound(deviation: number | undefined): boolean {
  return deviation === undefined || deviation <= mostDeviation;
}
