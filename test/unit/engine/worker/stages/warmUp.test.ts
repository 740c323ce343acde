import { describe, expect, it } from 'vitest';
import { warmUp, type WarmUpRunner } from '../../../../../src/engine/worker/stages/warmUp';

interface FakeArena {
  peakBytes: number | undefined;
  readonly bytesPerToken: number;
  readonly reservedPieces: number[];
  readonly canReserve: boolean;
}

const arenaOf = (bytesPerToken: number, changes: Partial<FakeArena> = {}): FakeArena => ({ peakBytes: 0, bytesPerToken, reservedPieces: [], canReserve: true, ...changes });

/** A limit of 0 ms means that long chunks are too slow, and Infinity that they are quick. */
function fakeRunner(arenas: readonly FakeArena[], { chunks = [256], contextTokens = 8192, slowTrials = true }: { readonly chunks?: readonly number[]; readonly contextTokens?: number; readonly slowTrials?: boolean } = {}) {
  const calls: string[] = [];
  let length = 0;
  let chunkIndex = 0;
  let preparedTokens = 0;
  const runner: WarmUpRunner = {
    overlapsCalls: false,
    headDim: 128,
    contextTokens,
    get prefillChunkTokens() {
      return chunks[chunkIndex] as number;
    },
    mostChunkTokens: chunks[chunks.length - 1] as number,
    arenas: arenas.map((arena) => ({
      arena: () => (arena.peakBytes === undefined ? undefined : { peakBytes: arena.peakBytes }),
      ...(arena.canReserve ? { reserve: (bytes: number) => void arena.reservedPieces.push(bytes) } : {}),
    })),
    prefill: async (_slot, ids) => {
      // A trial is repeated only as long as that costs nothing.
      await (ids.length === 16 && slowTrials ? new Promise((resolve) => setTimeout(resolve, 60)) : undefined);
      calls.push(`${ids.length} behind ${length}`);
      length += ids.length;
      arenas.forEach((arena) => (arena.peakBytes = arena.peakBytes === undefined ? undefined : Math.max(arena.peakBytes, ids.length * arena.bytesPerToken)));
      if (ids.length === chunks[chunkIndex]) {
        chunkIndex = Math.min(chunkIndex + 1, chunks.length - 1);
      }
      preparedTokens = Math.max(preparedTokens, ids.length);
      return undefined;
    },
    prefillAllLogits: () => Promise.reject(new Error('not without overlap')),
    decode: () => Promise.resolve([]),
    rewindTo: (_slot, to) => void (length = to),
    assumeLength: (_slot, to) => void (length = to),
    noteMemoryFor: (tokens) => void (preparedTokens = Math.max(preparedTokens, tokens)),
  };
  return { runner, calls, preparedTokens: () => preparedTokens };
}

describe('warmUp', () => {
  it('takes what a long chunk needs in one piece, reckoned from a short one, where reading one would take long', async () => {
    const [first, second] = [arenaOf(200_000), arenaOf(1000)];
    const { runner, calls, preparedTokens } = fakeRunner([first, second]);
    await warmUp(runner, 0);
    expect(calls).toEqual(['2 behind 0', '16 behind 2032']);
    expect([first.reservedPieces, second.reservedPieces]).toEqual([[256 * 200_000], [256 * 1000]]);
    expect(preparedTokens()).toBe(256);
  });

  it('reserves for the context where that is shorter than a chunk, and nothing where it is as short as the trial', async () => {
    const arena = arenaOf(1000);
    await warmUp(fakeRunner([arena], { contextTokens: 100 }).runner, 0);
    expect(arena.reservedPieces).toEqual([100_000]);
    const short = fakeRunner([arenaOf(1000)], { contextTokens: 16 });
    await warmUp(short.runner, 0);
    expect(short.calls).toEqual(['2 behind 0']);
  });

  it('leaves room for the token behind the prompt in the shortest context', async () => {
    const { runner, calls } = fakeRunner([arenaOf(1000)], { contextTokens: 2 });
    await warmUp(runner, Infinity);
    expect(calls).toEqual(['1 behind 0']);
  });

  it.each([
    ['a peak that loading left', { peakBytes: 10 ** 9 }],
    ['an arena without figures', { peakBytes: undefined }],
    ['an arena that would double', { canReserve: false }],
  ])('reserves nothing from %s, and does not claim to', async (_what, changes) => {
    const arena = arenaOf(1000, changes);
    const { runner, preparedTokens } = fakeRunner([arena]);
    await warmUp(runner, 0);
    expect(arena.reservedPieces).toEqual([]);
    expect(preparedTokens()).toBe(16);
  });

  it('reads long chunks too, the first behind many positions, where that is quick', async () => {
    const arena = arenaOf(1000);
    const { runner, calls, preparedTokens } = fakeRunner([arena]);
    await warmUp(runner, Infinity);
    expect(calls).toEqual(['2 behind 0', '16 behind 2032', '256 behind 1792', '256 behind 0']);
    expect(arena.reservedPieces).toEqual([256_000]);
    expect(preparedTokens()).toBe(256);
  });

  it('repeats a trial that takes no time, lest an interruption make a quick model pass for a slow one', async () => {
    const { runner, calls } = fakeRunner([arenaOf(1000)], { slowTrials: false });
    await warmUp(runner, Infinity);
    expect(calls.filter((call) => call.startsWith('16 '))).toHaveLength(3);
  });

  it('reads on while chunks grow, so that the last and longest is counted too', async () => {
    const { runner, calls, preparedTokens } = fakeRunner([arenaOf(1000)], { chunks: [512, 1024, 2048], contextTokens: 16_384 });
    await warmUp(runner, Infinity);
    expect(calls.slice(2)).toEqual(['512 behind 1536', '1024 behind 0', '2048 behind 0']);
    expect(preparedTokens()).toBe(2048);
  });
});
