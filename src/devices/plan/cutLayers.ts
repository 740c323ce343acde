/** Cuts layers into contiguous runs over devices in a fixed order, exactly: no run that fits is missed. */

/** A run of layers on the device at `slotIndex`, later cut into `numStages` stages. */
export interface LayerRun {
  readonly slotIndex: number;
  readonly first: number;
  readonly end: number;
  readonly numStages: number;
}

/** Cost of one run; Infinity when it may not be. The cut with the smallest largest cost wins. */
export type RunCost = (slotIndex: number, first: number, end: number, numStages: number) => number;

export interface CutRequest {
  readonly numSlots: number;
  readonly numLayers: number;
  /** Exactly so many stages in all, several per run where needed; undefined gives each run one. */
  readonly numStages?: number;
  readonly cost: RunCost;
  /** `even`: the smallest largest cost. `fill`: the first device takes as many layers as leave a possible rest, and so on. */
  readonly prefer: 'even' | 'fill';
}

/**
 * The best cut, or undefined when every cut has an infinite cost. A device may stay empty.
 *
 * Dynamic programme over (devices left, layers left, stages left): `rest[i][m][r]` is the smallest largest cost of putting the layers from m on
 * to the devices from i on in r stages. With k devices and n layers it looks at k·n² runs.
 */
export function cutLayers(request: CutRequest): readonly LayerRun[] | undefined {
  const { numSlots, numLayers, numStages } = request;
  const width = numStages === undefined ? 1 : numStages + 1;
  const size = (numLayers + 1) * width;
  const at = (layer: number, stages: number): number => layer * width + stages;
  const rest: Float64Array[] = Array.from({ length: numSlots + 1 }, () => new Float64Array(size).fill(Infinity));
  const table = (slotIndex: number): Float64Array => rest[slotIndex] as Float64Array;
  table(numSlots)[at(numLayers, 0)] = -Infinity;

  /** Every run that may begin at `first` with `stages` still to place, with the cost of the run and of what follows. */
  const forEachRun = (slotIndex: number, first: number, stages: number, visit: (end: number, used: number, cost: number) => void): void => {
    const after = table(slotIndex + 1);
    for (let end = first + 1; end <= numLayers; end += 1) {
      const mostUsed = numStages === undefined ? 1 : Math.min(stages, end - first);
      for (let used = 1; used <= mostUsed; used += 1) {
        const following = after[at(end, numStages === undefined ? 0 : stages - used)] ?? Infinity;
        if (following < Infinity) {
          visit(end, used, Math.max(following, request.cost(slotIndex, first, end, used)));
        }
      }
    }
  };

  for (let slotIndex = numSlots - 1; slotIndex >= 0; slotIndex -= 1) {
    for (let first = 0; first <= numLayers; first += 1) {
      for (let stages = 0; stages < width; stages += 1) {
        let best = table(slotIndex + 1)[at(first, stages)] ?? Infinity;
        forEachRun(slotIndex, first, stages, (_end, _used, cost) => {
          best = Math.min(best, cost);
        });
        table(slotIndex)[at(first, stages)] = best;
      }
    }
  }

  let stages = numStages ?? 0;
  if (!((table(0)[at(0, stages)] ?? Infinity) < Infinity)) {
    return undefined;
  }
  const runs: LayerRun[] = [];
  let first = 0;
  for (let slotIndex = 0; slotIndex < numSlots && first < numLayers; slotIndex += 1) {
    const target = request.prefer === 'even' ? (table(slotIndex)[at(first, stages)] ?? Infinity) : Number.MAX_VALUE;
    const skip = table(slotIndex + 1)[at(first, stages)] ?? Infinity;
    let chosen: LayerRun | undefined;
    let chosenCost = Infinity;
    forEachRun(slotIndex, first, stages, (end, numUsed, cost) => {
      const better = request.prefer === 'even' ? cost < chosenCost : chosen === undefined || end > chosen.end;
      if (cost <= target && better) {
        chosen = { slotIndex, first, end, numStages: numUsed };
        chosenCost = cost;
      }
    });
    const run = chosen as LayerRun | undefined;
    if (run === undefined || (request.prefer === 'even' && skip < chosenCost)) {
      continue;
    }
    runs.push(run);
    first = run.end;
    stages -= numStages === undefined ? 0 : run.numStages;
  }
  return runs;
}
