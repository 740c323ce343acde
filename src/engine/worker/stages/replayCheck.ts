/** Whether replayed decode steps compute what steps encoded anew do: a replay that reads old values looks like a working model that repeats itself. */

import { deviationOf } from './logitDeviation';
import type { SlotDecoder } from './slotDecoder';
import type { StageRunner } from './stageRunner';

/** Enough that a replay with an old length attends to too little. */
const promptTokens = 12;
/** Both ways may attend with different kernels, whose rounding in f16 differs by some hundredths of the logits' standard deviation. */
const mostDeviation = 0.1;

/**
 * Decodes three different tokens in both ways after the same prompt. Leaves slot 0 empty.
 *
 * @returns the largest difference over the logits' standard deviation; undefined when the context is too short to tell.
 */
export async function measureReplayedSteps(runner: StageRunner, decoder: SlotDecoder): Promise<number | undefined> {
  const tokens = [3, 11, 5].map((id) => id % runner.vocabSize);
  if (promptTokens + tokens.length > runner.contextTokens || promptTokens > runner.prefillChunkTokens) {
    return undefined;
  }
  const prompt = Int32Array.from({ length: promptTokens }, (_, index) => (index * 7919 + 13) % runner.vocabSize);
  runner.rewindTo(0, 0);
  await runner.prefill(0, prompt, false);
  const expected: Float32Array[] = [];
  for (const tokenId of tokens) {
    const [logits] = await runner.decode([{ slot: 0, tokenId }]);
    expected.push(Float32Array.from((await logits?.full()) ?? []));
  }
  runner.rewindTo(0, 0);
  await runner.prefill(0, prompt, false);
  let largest = 0;
  for (const [step, tokenId] of tokens.entries()) {
    const row = await decoder.decode(0, tokenId, promptTokens + step).full();
    largest = Math.max(largest, deviationOf(row, expected[step] as Float32Array));
  }
  runner.rewindTo(0, 0);
  return largest;
}

export function isReplaySound(deviation: number | undefined): boolean {
  return deviation !== undefined && deviation <= mostDeviation;
}
