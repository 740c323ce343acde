import type { StepLogits } from '../../../generation/stepRunner';

/** Decodes single sequences faster than a run of the stages' sessions, over the same KV cache. */
export interface SlotDecoder extends Disposable {
  /** Appends `tokenId` at `position`, which is the number of valid positions of `slot`; logits after it, valid until the next call. */
  decode(slot: number, tokenId: number, position: number): StepLogits;
}
