/** What every run of a stage binds whatever the step: weights, and the KV cache of the slots that take part. */

import { kvNames } from '../../../model/attention';
import { IoBinding, RunOptions } from '../../../ort/running';
import type { OrtLibrary } from '../../../ort/ortLibrary';
import type { Stage } from './stage';

/** A binding with weights and cache in place; a step's own tensors are the caller's to bind. The caller disposes it before the stage. */
export function bindModel(stage: Stage, firstSlot: number, slotCount: number): IoBinding {
  const { session, kv, weights, placement } = stage.parts;
  const binding = new IoBinding(session);
  for (let layerIndex = placement.firstLayer; layerIndex < placement.endLayer; layerIndex += 1) {
    const names = kvNames(layerIndex);
    const rows = kv.rows(layerIndex, firstSlot, slotCount);
    if (rows === undefined) {
      throw new RangeError(`slots ${firstSlot} to ${firstSlot + slotCount - 1} do not lie together`);
    }
    binding.bindInput(names.pastKey, rows.key).bindInput(names.pastValue, rows.value).bindOutput(names.presentKey, rows.key).bindOutput(names.presentValue, rows.value);
  }
  weights.forEach((weight, name) => binding.bindInput(name, weight));
  return binding;
}

/** A run with these options returns when everything is queued on the stage's stream, not when it is done. */
export function queueingRunOptions(library: OrtLibrary): RunOptions {
  return new RunOptions(library).setConfig('disable_synchronize_execution_providers', '1');
}
