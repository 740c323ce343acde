/**
 * A runner without a model: the logits of a position are a fixed function of all tokens before it in the slot. Any mistake about what a slot
 * holds therefore changes the tokens that come out.
 */

import type { DecodeRow, StepLogits, StepRunner } from '../../../src/generation/stepRunner';

export interface FakeRunnerOptions {
  readonly vocabSize?: number;
  readonly contextTokens?: number;
  readonly maxBatch?: number;
  readonly prefillChunkTokens?: number;
  readonly finalChunkTokens?: number;
  /** Also hand out this many highest logits, as a device would. */
  readonly numTop?: number;
  /** Called before each step. */
  readonly onStep?: (step: string) => void | Promise<void>;
}

export interface FakeRunner extends StepRunner {
  /** `prefill 0 +4`, `decode 0,1`, `rewind 0 3`. */
  readonly steps: string[];
  readonly slots: readonly number[][];
  /** Clock that each prefilled token advances by 1 ms and each decode step by 10 ms. */
  readonly nowMs: () => number;
}

export function createFakeRunner({ vocabSize = 50, contextTokens = 64, maxBatch = 2, prefillChunkTokens = 4, finalChunkTokens, numTop = 0, onStep }: FakeRunnerOptions = {}): FakeRunner {
  const slots = Array.from({ length: maxBatch }, (): number[] => []);
  const steps: string[] = [];
  let timeMs = 1000;
  const append = (slot: number, id: number): void => {
    if (slots[slot]!.length >= contextTokens) {
      throw new Error(`slot ${slot} is full`);
    }
    slots[slot]!.push(id);
  };
  const step = async (name: string): Promise<void> => {
    steps.push(name);
    await Promise.resolve();
    await onStep?.(name);
  };
  const logits = (slot: number): StepLogits => {
    const row = logitsAfter(slots[slot]!, vocabSize);
    return { top: numTop === 0 ? undefined : topOf(row, numTop), full: () => Promise.resolve(row) };
  };
  return {
    vocabSize,
    contextTokens,
    maxBatch,
    prefillChunkTokens,
    finalChunkTokens,
    steps,
    slots,
    nowMs: () => timeMs,
    length: (slot) => slots[slot]!.length,
    rewindTo: (slot, length) => {
      if (length > slots[slot]!.length) {
        throw new Error(`slot ${slot} holds ${slots[slot]!.length}, not ${length}`);
      }
      steps.push(`rewind ${slot} ${length}`);
      slots[slot]!.length = length;
    },
    prefill: async (slot, ids, wantLogits) => {
      await step(`prefill ${slot} +${ids.length}`);
      ids.forEach((id) => append(slot, id));
      timeMs += ids.length;
      return wantLogits ? logits(slot) : undefined;
    },
    decode: async (rows: readonly DecodeRow[]) => {
      await step(`decode ${rows.map((row) => row.slot).join(',')}`);
      rows.forEach((row) => append(row.slot, row.tokenId));
      timeMs += 10;
      return rows.map((row) => logits(row.slot));
    },
  };
}

/** Between −4 and 4, different for every history. */
export function logitsAfter(history: readonly number[], vocabSize: number): Float32Array {
  let hash = 0x811c9dc5;
  for (const id of history) {
    hash = Math.imul(hash ^ (id + 1), 0x01000193);
  }
  return Float32Array.from({ length: vocabSize }, (_, id) => {
    let z = Math.imul(hash ^ (id * 0x9e3779b9), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 15), 0xc2b2ae35);
    return ((z >>> 8) / 0x1000000) * 8 - 4;
  });
}

export function topOf(row: Float32Array, count: number): NonNullable<StepLogits['top']> {
  const ids = Int32Array.from(row.keys())
    .sort((a, b) => row[b]! - row[a]! || a - b)
    .slice(0, count);
  return { ids, values: Float32Array.from(ids, (id) => row[id]!) };
}

/** What greedy decoding of the fake gives without a loop, slots or a cache. */
export function greedyContinuation(promptIds: readonly number[], count: number, vocabSize = 50): number[] {
  const history = [...promptIds];
  for (let i = 0; i < count; i++) {
    history.push(topOf(logitsAfter(history, vocabSize), 1).ids[0]!);
  }
  return history.slice(promptIds.length);
}

/** Each id is one word; ids from 40 on are halves of a character and only a pair of them is one. */
export const wordTokenizer = {
  streamDecoder: () => {
    let half: number | undefined;
    return {
      push: (id: number): string => {
        if (id < 40) {
          return `w${id} `;
        }
        const text = half === undefined ? '' : `[${half}${id}]`;
        half = half === undefined ? id : undefined;
        return text;
      },
      end: (): string => {
        const text = half === undefined ? '' : '\ufffd';
        half = undefined;
        return text;
      },
    };
  },
};
