/** What a model that was just loaded runs before anyone waits for it. */

import { longChunkBytes } from './longChunkBytes';
import type { StageRunner } from './stageRunner';

/** Longer than this, loading does not wait for memory that only the forecast wants to know. */
const longWarmUpLimitMs = 1500;
/** Of the very first run, where the context leaves room for another token behind them. */
const usualFirstTokens = 2;
const trialTokens = 16;

const mostTrials = 3;
const trialBudgetMs = 50;

/** Attention works in blocks of keys that fit the cache of a core; with more positions than these its scratch hardly grows. */
const farTokens = 2048;

export type WarmUpRunner = Pick<
  StageRunner,
  'overlapsCalls' | 'headDim' | 'contextTokens' | 'prefillChunkTokens' | 'mostChunkTokens' | 'arenas' | 'prefill' | 'prefillAllLogits' | 'decode' | 'rewindTo' | 'assumeLength' | 'noteMemoryFor'
>;

/** The first run of a session is slow: kernels load lazily and mapped weights are read. Leaves the slots empty. */
export async function warmUp(runner: WarmUpRunner, longLimitMs = longWarmUpLimitMs): Promise<void> {
  const firstTokens = Math.min(usualFirstTokens, runner.contextTokens - 1);
  if (runner.overlapsCalls) {
    // The stages' own way of running is there for what the faster one can't do, and tells where each tensor lies.
    await runner.prefillAllLogits(0, new Int32Array(firstTokens));
    runner.rewindTo(0, 0);
    // The longest chunk takes all the memory that prompts will need, so what is counted after loading is what there is to count; and the first
    // long prompt finds its kernels loaded (512 tokens took 74 ms at first and 15 ms later, on an H200).
    await runner.prefill(0, new Int32Array(Math.min(runner.prefillChunkTokens, runner.contextTokens)), true);
    runner.rewindTo(0, 0);
  }
  await runner.prefill(0, new Int32Array(firstTokens), true);
  await runner.decode([{ slot: 0, tokenId: 0 }]);
  runner.rewindTo(0, 0);
  if (!runner.overlapsCalls) {
    await warmUpLongPrompt(runner, longLimitMs);
  }
}

/**
 * Takes the memory that the longest chunk of a prompt will need, so that a forecast made before any answer counts it: from what a short one took, and by
 * reading such chunks where that is quick.
 */
async function warmUpLongPrompt(runner: WarmUpRunner, limitMs: number): Promise<void> {
  const tokens = Math.min(runner.prefillChunkTokens, runner.contextTokens);
  if (tokens <= trialTokens) {
    return;
  }
  const peaksBefore = runner.arenas.map((arena) => arena.arena()?.peakBytes ?? Infinity);
  const trialMs = await fastestTrial(runner);
  reserveForLongChunks(runner, peaksBefore);
  // A longer chunk takes no more per token.
  if ((trialMs / trialTokens) * 2 * tokens <= limitMs) {
    await readUntilGrown(runner);
  }
}

/** Other programs may interrupt a short run for many times its length, so it is repeated as long as that costs nothing. */
async function fastestTrial(runner: WarmUpRunner): Promise<number> {
  const startedMs = performance.now();
  let fastestMs = Infinity;
  for (let numRuns = 0; numRuns < mostTrials && (numRuns === 0 || performance.now() - startedMs < trialBudgetMs); numRuns += 1) {
    const beginMs = performance.now();
    await readChunk(runner, trialTokens, farTokens);
    fastestMs = Math.min(fastestMs, performance.now() - beginMs);
  }
  return fastestMs;
}

/** Twice, since the first chunk is slowed by what is compiled for it, and on while chunks grow with the device's speed. The last ones lie where prompts begin, whose pages are then there. */
async function readUntilGrown(runner: WarmUpRunner): Promise<void> {
  for (let numReads = 1; ; numReads += 1) {
    const tokens = Math.min(runner.prefillChunkTokens, runner.contextTokens);
    await readChunk(runner, tokens, numReads === 1 ? farTokens : tokens);
    if (numReads > 1 && runner.prefillChunkTokens <= tokens) {
      return;
    }
  }
}

/** May lie behind positions that nobody wrote: attention's scratch grows with them, and would otherwise be taken later, a little with each chunk. */
async function readChunk(runner: WarmUpRunner, tokens: number, endPosition: number): Promise<void> {
  runner.assumeLength(0, Math.max(0, Math.min(endPosition, runner.contextTokens) - tokens));
  await runner.prefill(0, new Int32Array(tokens), true);
  runner.rewindTo(0, 0);
}

/** Takes what the longest chunk needs in one piece, which holds whatever tensors a chunk is made of without gaps between them. */
function reserveForLongChunks(runner: WarmUpRunner, peaksBefore: readonly number[]): void {
  const tokens = Math.min(runner.mostChunkTokens, runner.contextTokens);
  const isReserved = runner.arenas.map((arena, index) => {
    const nearBytes = peaksBefore[index] ?? Infinity;
    const farBytes = arena.arena()?.peakBytes ?? 0;
    // A peak that the trial did not raise is of loading, and tells nothing.
    if (arena.reserve === undefined || farBytes <= nearBytes) {
      return false;
    }
    arena.reserve(longChunkBytes(tokens, { near: { tokens: usualFirstTokens, bytes: nearBytes }, far: { tokens: trialTokens, bytes: farBytes }, headDim: runner.headDim }));
    return true;
  });
  if (isReserved.every(Boolean)) {
    runner.noteMemoryFor(tokens);
  }
}
