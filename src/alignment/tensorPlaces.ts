/** Joins each bound tensor with where the runtime says it is read or written. */

import type { DeviceId } from '../common/deviceId';
import type { AlignmentFacts, BoundTensor } from './facts';
import { memoryDevice } from './memoryPlace';

export interface TensorPlace {
  readonly tensor: BoundTensor;
  /** Where it is read: for inputs as the runtime reports, for outputs as its reader does. */
  readonly consumer: DeviceId;
  /** Where it was wanted: the same as where it lies, unless that was put right. */
  readonly wanted: DeviceId;
}

/** Tensors whose consumer is known, of the given roles. An output without a reader of its own is compared with where the graph writes it. */
export function tensorPlaces(facts: AlignmentFacts, role: BoundTensor['role']): readonly TensorPlace[] {
  return facts.tensors.flatMap((tensor): readonly TensorPlace[] => {
    const assignment = facts.assignments.find((one) => one.stageIndex === tensor.stageIndex);
    if (tensor.role !== role || assignment === undefined) {
      return [];
    }
    const memoryName = (tensor.direction === 'input' ? assignment.inputMemory : assignment.outputMemory)[tensor.name];
    const consumer = tensor.readOn ?? (memoryName === undefined ? undefined : memoryDevice(memoryName, assignment.device));
    return consumer === undefined ? [] : [{ tensor, consumer, wanted: tensor.wantedDevice ?? tensor.device }];
  });
}

/** The words for a stage: `the model's first stage`, `stage 3`. */
export function stageName(facts: AlignmentFacts, stageIndex: number): string {
  if (facts.plan.stages.length === 1) {
    return 'the model';
  }
  return stageIndex === 0 ? "the model's first stage" : stageIndex === facts.plan.stages.length - 1 ? "the model's last stage" : `the model's stage ${stageIndex + 1}`;
}
