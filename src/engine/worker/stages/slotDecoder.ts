import type { OperatorProfile } from '../../../common/profile';
import type { StepLogits } from '../../../generation/stepRunner';
import type { TimedCopy } from '../../../profiling/phaseRecorder';

/** Steps whose kernels the device timed one by one. */
export type KernelSteps = Pick<OperatorProfile, 'nodes' | 'steps' | 'startsUs' | 'durationsUs'>;

/** Decodes single sequences faster than a run of the stages' sessions, over the same KV cache. */
export interface SlotDecoder extends Disposable {
  /** Appends `tokenId` at `position`, which is the number of valid positions of `slot`; logits after it, valid until the next call. */
  decode(slot: number, tokenId: number, position: number): StepLogits;
  /** The same step so many times, uncaptured, each kernel timed by the device; absent where there is no such clock. */
  timeKernels?(slot: number, tokenId: number, position: number, steps: number): KernelSteps;
  /** Told of each copy between stages from now on; undefined ends it. */
  listenToCopies?(listener: ((copy: TimedCopy) => void) | undefined): void;
}
