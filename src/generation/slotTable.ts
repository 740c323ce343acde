/** Which tokens lie in which KV slot, so that a request can be given the slot that saves it most work. */

export interface Slot {
  readonly index: number;
  /** Ids whose keys and values the slot holds; as long as the runner's `length(slot)`. */
  content: readonly number[];
  conversationKey?: string;
  isBusy: boolean;
  /** Calls of the runner that still work on this slot; until they are back nobody else can have it. */
  callsUnderWay: number;
  /** Rises with each use; the lowest was used longest ago. */
  lastUse: number;
}

/** What a request is placed by. */
export interface SlotWish {
  readonly promptIds: ArrayLike<number>;
  readonly conversationKey?: string;
}

export function createSlots(count: number): Slot[] {
  return Array.from({ length: count }, (_, index) => ({ index, content: [], isBusy: false, callsUnderWay: 0, lastUse: 0 }));
}

/**
 * Chooses a free slot: the conversation's own; else, among slots that no conversation owns, the one that shares the longest beginning with the
 * prompt; else the conversation's slot that was used longest ago. Undefined when all are busy.
 */
export function chooseSlot(slots: readonly Slot[], wish: SlotWish): Slot | undefined {
  const free = slots.filter((slot) => !slot.isBusy);
  const own = wish.conversationKey === undefined ? undefined : free.find((slot) => slot.conversationKey === wish.conversationKey);
  if (own !== undefined) {
    return own;
  }
  const score = (slot: Slot): readonly number[] => [slot.conversationKey === undefined ? 1 : 0, slot.conversationKey === undefined ? commonPrefix(slot.content, wish.promptIds) : 0, -slot.lastUse, -slot.index];
  return free.reduce<Slot | undefined>((best, slot) => (best === undefined || isHigher(score(slot), score(best)) ? slot : best), undefined);
}

/** Prompt tokens that need no prefill: the common beginning, less the last prompt token, whose logits are wanted. */
export function reusableTokens(content: ArrayLike<number>, promptIds: ArrayLike<number>): number {
  return Math.min(commonPrefix(content, promptIds), promptIds.length - 1);
}

function commonPrefix(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a[length] === b[length]) {
    length++;
  }
  return length;
}

/** Compares lexicographically. */
function isHigher(a: readonly number[], b: readonly number[]): boolean {
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) {
      return a[i]! > b[i]!;
    }
  }
  return false;
}
