/** Which slots are decoded together. Pure. */

/** Slots `firstSlot` up to but without `firstSlot + slotCount`, run as one batch. */
export interface SlotGroup {
  readonly firstSlot: number;
  readonly slotCount: number;
}

/**
 * Cuts the active slots into runs of neighbours, taking idle slots along where that saves a run.
 *
 * An idle slot in a batch gets a dummy token at its first free position, which is free to overwrite; one that is full cannot be taken along.
 *
 * @param canIdle  Whether an idle slot has room for the dummy token.
 * @param mostIdle Most idle slots between two active ones; each costs a row of work, a new run costs reading all weights again.
 */
export function groupSlots(activeSlots: readonly number[], canIdle: (slot: number) => boolean, mostIdle = 3): SlotGroup[] {
  const groups: SlotGroup[] = [];
  for (const slot of [...activeSlots].sort((a, b) => a - b)) {
    const last = groups[groups.length - 1];
    const end = last === undefined ? 0 : last.firstSlot + last.slotCount;
    const gap = Array.from({ length: slot - end }, (_, index) => end + index);
    if (last !== undefined && gap.length <= mostIdle && gap.every(canIdle)) {
      groups[groups.length - 1] = { firstSlot: last.firstSlot, slotCount: slot + 1 - last.firstSlot };
    } else {
      groups.push({ firstSlot: slot, slotCount: 1 });
    }
  }
  return groups;
}
