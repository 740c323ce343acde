/** As many points as there are pixels: what lies in one column of pixels becomes its lowest and its highest value. Pure. */

/** Index of the first time that is not before `timeMs`. */
export function firstAtOrAfter(times: Float64Array, timeMs: number): number {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] as number) < timeMs) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/** Index of the reading that holds at `timeMs`: the last one not after it; -1 before the first. */
export function indexAt(times: Float64Array, timeMs: number): number {
  const next = firstAtOrAfter(times, timeMs);
  return times[next] === timeMs ? next : next - 1;
}

/** Called with a column of pixels and the lowest, highest and last value in it; NaN where a column holds none but a gap. */
export type ColumnVisitor = (x: number, low: number, high: number, last: number) => void;

/**
 * Visits the columns that hold readings, from left to right, with one reading before and one after the window, so that lines reach its edges.
 *
 * @param xOf  Pixels of a time; ascending.
 */
export function visitColumns(times: Float64Array, values: Float64Array, startMs: number, endMs: number, xOf: (timeMs: number) => number, visit: ColumnVisitor): void {
  const from = Math.max(0, firstAtOrAfter(times, startMs) - 1);
  const until = Math.min(times.length, firstAtOrAfter(times, endMs) + 1);
  let column = NaN;
  let [low, high, last] = [NaN, NaN, NaN];
  for (let i = from; i < until; i += 1) {
    const x = Math.floor(xOf(times[i] as number));
    const value = values[i] as number;
    if (x !== column) {
      if (!Number.isNaN(column)) {
        visit(column, low, high, last);
      }
      column = x;
      low = high = last = value;
      continue;
    }
    // Comparisons with NaN are false: a gap does not hide a reading beside it.
    low = value < low || Number.isNaN(low) ? value : low;
    high = value > high || Number.isNaN(high) ? value : high;
    last = value;
  }
  if (!Number.isNaN(column)) {
    visit(column, low, high, last);
  }
}
