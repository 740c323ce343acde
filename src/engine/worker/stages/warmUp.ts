/** What a model that was just loaded runs before anyone waits for it. */

import type { StageRunner } from './stageRunner';

/** Longer than this, loading does not wait for memory that only the forecast wants to know. */
const longWarmUpLimitMs = 1500;
const trialTokens = 16;

/** Attention works in blocks of keys that fit the cache of a core; with more positions than these its scratch hardly grows. */
const farTokens = 2048;

export type WarmUpRunner = Pick<
  StageRunner,
  'overlapsCalls' | 'contextTokens' | 'prefillChunkTokens' | 'mostChunkTokens' | 'arenas' | 'prefill' | 'prefillAllLogits' | 'decode' | 'rewindTo' | 'assumeLength' | 'noteMemoryFor'
>;

/** The first run of a session is slow: kernels load lazily and mapped weights are read. Leaves the slots empty. */
export async function warmUp(runner: WarmUpRunner, longLimitMs = longWarmUpLimitMs): Promise<void> {
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
 * Takes the memory that the longest chunk of a prompt will need, so that a forecast made before any answer counts it: by reading such chunks where that is
 * quick, else from what a short one took.
 */
async function warmUpLongPrompt(runner: WarmUpRunner, limitMs: number): Promise<void> {
  const tokens = Math.min(runner.prefillChunkTokens, runner.contextTokens);
  if (tokens <= trialTokens) {
    return;
  }
  const peaksBefore = runner.arenas.map((arena) => arena.arena()?.peakBytes ?? Infinity);
  const startedMs = performance.now();
  await readFarChunk(runner, trialTokens);
  // A longer chunk takes no more per token.
  if (((performance.now() - startedMs) / trialTokens) * 2 * tokens <= limitMs) {
    await readUntilGrown(runner);
  } else {
    reserveForLongChunks(runner, peaksBefore);
  }
}

/** Twice, since the first chunk is slowed by what is compiled for it, and on while chunks grow with the device's speed. */
async function readUntilGrown(runner: WarmUpRunner): Promise<void> {
  for (let numReads = 1; ; numReads += 1) {
    const tokens = Math.min(runner.prefillChunkTokens, runner.contextTokens);
    await readFarChunk(runner, tokens);
    if (numReads > 1 && runner.prefillChunkTokens <= tokens) {
      return;
    }
  }
}

/** Behind positions that nobody wrote: attention's scratch grows with them, and would otherwise be taken later, a little with each chunk. */
async function readFarChunk(runner: WarmUpRunner, tokens: number): Promise<void> {
  runner.assumeLength(0, Math.max(0, Math.min(farTokens, runner.contextTokens) - tokens));
  await runner.prefill(0, new Int32Array(tokens), true);
  runner.rewindTo(0, 0);
}

/**
 * Every tensor that is alive at the peak has a row per token, so the peak of a long chunk is that of a short one times their ratio (3.25 MiB of 16 tokens,
 * 48.25 of 256, in a 1.5B model). Taken as one piece, it holds whatever tensors a chunk is made of without gaps between them.
 */
function reserveForLongChunks(runner: WarmUpRunner, peaksBefore: readonly number[]): void {
  const tokens = Math.min(runner.mostChunkTokens, runner.contextTokens);
  const isReserved = runner.arenas.map((arena, index) => {
    const peakBytes = arena.arena()?.peakBytes ?? 0;
    // A peak that the short chunk did not raise is of loading, and tells nothing.
    if (arena.reserve === undefined || peakBytes <= (peaksBefore[index] ?? Infinity)) {
      return false;
    }
    arena.reserve(Math.ceil((peakBytes * tokens) / trialTokens));
    return true;
  });
  if (isReserved.every(Boolean)) {
    runner.noteMemoryFor(tokens);
  }
}
