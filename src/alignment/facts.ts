/** What is reported about a loaded model, for the detectors to compare. Facts only: read from the runtime, the driver, or our own allocations. */

import type { AlignmentCosts, AlignmentMode } from '../common/alignment';
import type { DeviceId } from '../common/deviceId';
import type { AttentionKernel, DeviceBudget, DeviceMemoryUse, PlacementPlan, StageAssignment } from '../common/placement';
import type { ProcessMemory } from '../common/protocol/monitor';

/** A tensor that we bound to a stage's graph. */
export interface BoundTensor {
  readonly stageIndex: number;
  /** The graph's input or output, such as `input_ids`; looked up in the runtime's own report of where it expects it. */
  readonly name: string;
  readonly direction: 'input' | 'output';
  /** `step`: ids, positions, lengths, masks, logits. `hidden`: between stages. `kv`: the cache. */
  readonly role: 'step' | 'hidden' | 'kv';
  /** Where it lies now. */
  readonly device: DeviceId;
  /** Where a setting or the debug option wanted it; it lies elsewhere because that was put right. */
  readonly wantedDevice?: DeviceId;
  /** Where it is read, for an output whose reader is not a graph (logits: the sampler). Inputs are read where the runtime says. */
  readonly readOn?: DeviceId;
  /** Bytes that cross the border for one token. */
  readonly bytesPerToken: number;
}

/** Memory of one device as the driver sees it, then and now. */
export interface DriverMemory {
  readonly device: DeviceId;
  /** Since when: from before the load to its end, or from its end until now. */
  readonly since: 'plan' | 'load';
  readonly freeBytesThen: number;
  readonly freeBytesNow: number;
  /** How much more this process and our other engines hold than then; undefined for the load itself: then our allocations and the usual overhead are taken. */
  readonly knownGrowthBytes?: number;
  readonly processes?: readonly ProcessMemory[];
}

/** A GPU that the machine has and no stage could be given, with the reason as a sentence. */
export interface GpuLeftOut {
  readonly device: DeviceId;
  readonly name: string;
  readonly reason: string;
}

export interface AttentionFact {
  readonly stageIndex: number;
  readonly kernel: AttentionKernel;
  /** Variables that forbid faster kernels, as `NAME=value`. */
  readonly forbiddenBy?: readonly string[];
}

/** Another model that is loaded on this machine by us. */
export interface OtherModel {
  readonly name: string;
  readonly devices: readonly DeviceId[];
  /** What it takes on each of them, as far as it tells. */
  readonly bytes?: Readonly<Partial<Record<DeviceId, number>>>;
}

export interface AlignmentFacts {
  readonly modelName: string;
  readonly mode: AlignmentMode;
  readonly plan: PlacementPlan;
  readonly assignments: readonly StageAssignment[];
  readonly tensors: readonly BoundTensor[];
  /** GPUs and CPU as measured after loading; for "although a GPU has room". */
  readonly devices: readonly DeviceBudget[];
  /** Our own allocations per device. */
  readonly memory?: readonly DeviceMemoryUse[];
  readonly driverMemory?: readonly DriverMemory[];
  readonly attention?: readonly AttentionFact[];
  readonly otherModels?: readonly OtherModel[];
  /** Only where `auto` was asked for, so that nobody chose to do without them. */
  readonly gpusLeftOut?: readonly GpuLeftOut[];
  /** From runs with and without. */
  readonly measuredCostMs?: AlignmentCosts;
  /** True when a device in this is a stand-in. */
  readonly simulated?: boolean;
}
