/** What devices hold when each may carry several runs. */

import type { MemoryNeed } from '../../common/placement';
import type { LayerRun } from './cutLayers';
import { runBytes, type PlanSlot } from './planSlot';

/** Bytes on one device: its runs and, if it has any, the headroom once. */
export function neededBytes(slot: PlanSlot, slotIndex: number, runs: readonly LayerRun[], need: MemoryNeed): number {
  const own = runs.filter((run) => run.slotIndex === slotIndex);
  return own.reduce((sum, run) => sum + runBytes(slot, need, run.first, run.end, run.numStages) - need.headroomBytes, own.length === 0 ? 0 : need.headroomBytes);
}

export function runsFit(slots: readonly PlanSlot[], runs: readonly LayerRun[], need: MemoryNeed): boolean {
  return slots.every((slot, slotIndex) => neededBytes(slot, slotIndex, runs, need) <= slot.budgetBytes || !runs.some((run) => run.slotIndex === slotIndex));
}
