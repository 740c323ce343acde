/** The highest 64 logits of each row, picked on the device by the kernels of kernels/picking.cu. */

import type { CudaContext } from '../cudaContext';

export const topCount = 64;
const blockLogits = 1024;

/** In descending order of value, ties by the lower id. */
export interface TopLogits {
  readonly ids: Int32Array;
  readonly values: Float32Array;
}

export interface Picking {
  readonly vocabSize: number;
  readonly rows: number;
  /** f32[rows, vocabSize]. */
  readonly logits: bigint;
  /** Two buffers of {@link pickedBytes}. */
  readonly scratch: readonly [bigint, bigint];
  /** i32[rows, 2, 64]: ids, then the values' bits. */
  readonly best: bigint;
  /** i32[2] of a single sequence (see kernels/picking.cu), or 0. */
  readonly state: bigint;
}

type Launch = (name: string, grid: readonly [number, number?], threads: number, args: readonly (bigint | number)[]) => void;

export function pickedBytes(vocabSize: number, rows: number): number {
  return Math.ceil(vocabSize / blockLogits) * topCount * 8 * rows;
}

/** Rounds of "best 64 of 1,024" until one block's worth a row is left. */
export function launchPicking(launch: Launch, { vocabSize, rows, logits, scratch, best, state }: Picking): void {
  let [from, to] = scratch;
  let count = Math.ceil(vocabSize / blockLogits) * topCount;
  launch('pickFromLogits', [count / topCount, rows], 512, [logits, from]);
  while (count > topCount) {
    const blocks = Math.ceil(count / blockLogits);
    launch('pickFromPicked', [blocks, rows], 512, [from, count, to]);
    count = blocks * topCount;
    [from, to] = [to, from];
  }
  launch('finishStep', [rows], topCount, [from, best, state]);
}

/** Copies the best of every row to the host; the device must have finished. */
export function readTopRows(context: CudaContext, best: bigint, rows: number): readonly TopLogits[] {
  const all = new Int32Array(rows * 2 * topCount);
  context.download(all, best);
  return Array.from({ length: rows }, (_, row) => {
    const at = row * 2 * topCount;
    return { ids: all.subarray(at, at + topCount), values: new Float32Array(all.buffer, (at + topCount) * 4, topCount) };
  });
}
