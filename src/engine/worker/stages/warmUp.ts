/** What a model that was just loaded runs before anyone waits for it. */

import type { StageRunner } from './stageRunner';

/** Longer than this, loading does not wait for memory that only the forecast wants to know. */
const longWarmUpLimitMs = 1500;
const trialTokens = 16;

/** The first run of a session is slow: kernels load lazily and mapped weights are read. Leaves the slots empty. */
export async function warmUp(runner: StageRunner, longLimitMs = longWarmUpLimitMs): Promise<void> {
  if (runner.overlapsCalls) {
    // The stages' own way of running is there for what the faster one can't do, and tells where each tensor lies.
    await runner.prefillAllLogits(0, Int32Array.of(0, 0));
    runner.rewindTo(0, 0);
    // The longest chunk takes all the memory that prompts will need, so what is counted after loading is what there is to count; and the first
    // long prompt finds its kernels loaded (512 tokens took 74 ms at first and 15 ms later, on an H200).
    await runner.prefill(0, new Int32Array(Math.min(runner.prefillChunkTokens, runner.contextTokens)), true);
    runner.rewindTo(0, 0);
  }
  await runner.prefill(0, Int32Array.of(0, 0), true);
  await runner.decode([{ slot: 0, tokenId: 0 }]);
  runner.rewindTo(0, 0);
  if (!runner.overlapsCalls) {
    await warmUpLongPrompt(runner, longLimitMs);
  }
}

/**
 * Reads a prompt of two chunks, where that is quick: the runtime's arena then has all that prompts will need, so that a forecast made before any answer
 * counts it. The second chunk matters: with the first one's blocks in the way, the arena doubles once more, and not again (seen up to six chunks).
 */
async function warmUpLongPrompt(runner: StageRunner, limitMs: number): Promise<void> {
  const tokens = Math.min(2 * runner.prefillChunkTokens, runner.contextTokens);
  if (tokens <= trialTokens) {
    return;
  }
  const startedMs = performance.now();
  await runner.prefill(0, new Int32Array(trialTokens), true);
  runner.rewindTo(0, 0);
  // A longer chunk takes no more per token.
  if (((performance.now() - startedMs) / trialTokens) * tokens <= limitMs) {
    for (let left = tokens; left > 0; ) {
      const chunk = Math.min(runner.prefillChunkTokens, left);
      await runner.prefill(0, new Int32Array(chunk), true);
      left -= chunk;
    }
    runner.rewindTo(0, 0);
  }
}
