import { filterRow, type ScoreRow } from '../scoreRow';

/**
 * Keeps the `topK` highest scores, and those equal to the last of them; 0 keeps all.
 * @see transformers generation/logits_process.py, TopKLogitsWarper
 */
export function keepTopK(row: ScoreRow, topK: number): ScoreRow {
  if (topK === 0 || topK >= row.scores.length) {
    return row;
  }
  const threshold = kthHighest(row.scores, topK);
  return filterRow(row, (score) => score >= threshold && score > -Infinity);
}

/** The k-th highest value, by a heap that holds the k highest so far with the lowest of them on top. */
function kthHighest(scores: Float32Array, k: number): number {
  const heap = scores.slice(0, k).sort();
  for (let i = k; i < scores.length; i++) {
    const score = scores[i]!;
    if (score > heap[0]!) {
      siftDown(heap, score);
    }
  }
  return heap[0]!;
}

/** Replaces the top of a min-heap. */
function siftDown(heap: Float32Array, value: number): void {
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) {
      break;
    }
    if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) {
      child += 1;
    }
    if (heap[child]! >= value) {
      break;
    }
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = value;
}
