/** Gathers what src/alignment compares: the plan, what the runtime made of it, our allocations, and the devices' free memory then and now. */

import type { AlignmentCosts, AlignmentMode } from '../../common/alignment';
import type { DeviceBudget } from '../../common/placement';
import type { LoadedModel } from '../../common/protocol/engine';
import type { AlignmentFacts, BoundTensor, DriverMemory, OtherModel } from '../../alignment/facts';

export interface AlignmentSources {
  readonly loaded: LoadedModel;
  readonly mode: AlignmentMode;
  /** Budgets that the plan was made with. */
  readonly devicesAtPlan: readonly DeviceBudget[];
  /** The same devices, measured after loading. */
  readonly devicesNow: readonly DeviceBudget[];
  /** Where step tensors, hidden states and caches lie, as far as the runner reports it. */
  readonly tensors: readonly BoundTensor[];
  /** Where they were measured. */
  readonly measuredCostMs?: AlignmentCosts;
  /** What other engines of this user hold on GPUs. */
  readonly otherModels: readonly OtherModel[];
  /** Some device is a software stand-in for a real one. */
  readonly simulated: boolean;
}

export function alignmentFacts({ loaded, mode, devicesAtPlan, devicesNow, tensors, measuredCostMs, otherModels, simulated }: AlignmentSources): AlignmentFacts {
  return {
    modelName: loaded.description.name,
    mode,
    plan: loaded.plan,
    assignments: loaded.assignments,
    tensors,
    devices: devicesNow,
    memory: loaded.memory,
    driverMemory: devicesAtPlan.flatMap((before): readonly DriverMemory[] => {
      const now = devicesNow.find((device) => device.id === before.id);
      // Main memory is everybody's: what others take of it is no news about this model.
      return now === undefined || before.provider === 'cpu' || !loaded.plan.stages.some((stage) => stage.device === before.id)
        ? []
        : [{ device: before.id, freeBytesAtPlan: before.freeBytes, freeBytesNow: now.freeBytes }];
    }),
    otherModels,
    attention: loaded.assignments.flatMap(({ stageIndex, attention }) => (attention === undefined ? [] : [{ stageIndex, kernel: attention.prefill }])),
    ...(measuredCostMs === undefined ? {} : { measuredCostMs }),
    ...(simulated ? { simulated } : {}),
  };
}
