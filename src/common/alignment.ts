/** A tensor that is not where its consumer is, as data: made by src/alignment from reported facts, shown by every front end. */

import type { DeviceId } from './deviceId';
import type { NextStep } from './errors';

export type AlignmentKind =
  | 'host-bound-inputs'
  | 'hidden-state-through-host'
  | 'kv-cache-on-cpu'
  | 'stage-on-cpu'
  | 'node-fallback'
  | 'provider-replaced'
  | 'plan-differs'
  | 'devices-shared'
  | 'memory-taken'
  | 'unfused-attention';

/** `autoFix` keeps tensors on their consumer's device and says so; `warn` offers the fix; `off` leaves things as they are. */
export type AlignmentMode = 'autoFix' | 'warn' | 'off';

/** Measured milliseconds per token, by {@link alignmentCostKey}. */
export type AlignmentCosts = Readonly<Partial<Record<string, number>>>;

/** Ids and logits are of one kind and differ a thousandfold in bytes, so each has a cost of its own. */
export function alignmentCostKey(kind: AlignmentKind, tensor: string | undefined): string {
  return kind === 'host-bound-inputs' && tensor !== undefined ? `${kind}:${tensor}` : kind;
}

export interface AlignmentMessage {
  readonly kind: AlignmentKind;
  /** Same cause and model → same key; a front end shows a key once. */
  readonly key: string;
  /** In the words people know: ``input_ids is on cpu, whereas the model's first stage is on cuda:0``. */
  readonly message: string;
  readonly tensor?: string;
  readonly tensorDevice?: DeviceId;
  readonly consumerDevice?: DeviceId;
  readonly bytesPerToken?: number;
  /** Bytes that other processes took: no cost per token, but what the next load will miss. */
  readonly takenBytes?: number;
  /** Measured from runs with and without; undefined until measured. */
  readonly costMsPerToken?: number;
  readonly state: 'found' | 'fixed' | 'left';
  readonly simulated?: boolean;
  readonly next: readonly NextStep[];
}

/** What is said in place of a bar where a measured cost is none; undefined for a cost. */
export function noCostRemark({ costMsPerToken, isSignificant }: { readonly costMsPerToken: number; readonly isSignificant: boolean }): string | undefined {
  return !isSignificant ? 'within the noise' : costMsPerToken < 0 ? 'faster, so no cost' : undefined;
}
