/** The debug option that puts tensors on the wrong device on purpose, so that finding them and their cost can be seen. */

import { GlmError } from '../../../common/errors';
import type { AlignmentMode } from '../../../common/alignment';
import type { PlacementPlan } from '../../../common/placement';
import type { LoadOptions } from '../../../common/protocol/engine';

export type MisplaceableTensor = NonNullable<LoadOptions['misplace']>[number];

export interface Misplacement {
  readonly wanted: ReadonlySet<MisplaceableTensor>;
  /** False: the tensors are kept where they are read, and that they were wanted elsewhere is only told. */
  readonly isInForce: boolean;
}

export const noMisplacement: Misplacement = { wanted: new Set(), isInForce: false };

/**
 * A tensor that was to be put on the wrong device has no wrong device in this plan.
 *
 * Cause: a plan on the CPU alone, or on one stage. Handled by: the load request.
 */
export class MisplaceError extends GlmError {
  constructor(tensor: MisplaceableTensor | undefined, reason: string) {
    super('misplace-impossible', `${tensor ?? 'No tensor'} can${tensor === undefined ? '' : "'t"} be put on the wrong device: ${reason}`, { fields: { tensor } });
  }
}

/** @throws {MisplaceError} when a tensor has no wrong device here, or when there is no second device at all. */
export function planMisplacement(kinds: readonly MisplaceableTensor[] | undefined, mode: AlignmentMode, plan: PlacementPlan): Misplacement {
  if (kinds !== undefined && plan.stages.every((stage) => stage.provider === 'cpu')) {
    throw new MisplaceError(kinds[0], 'the whole model is on cpu, so there is no second device. Load it on a GPU.');
  }
  for (const kind of kinds ?? []) {
    const obstacle = obstacleTo(kind, plan);
    if (obstacle !== undefined) {
      throw new MisplaceError(kind, obstacle);
    }
  }
  return { wanted: new Set(kinds), isInForce: mode !== 'autoFix' };
}

function obstacleTo(kind: MisplaceableTensor, { stages }: PlacementPlan): string | undefined {
  const onCpu = stages.map((stage) => stage.provider === 'cpu');
  switch (kind) {
    case 'input_ids':
      return onCpu[0] ? "the model's first stage is on cpu, where the ids are anyway." : undefined;
    case 'logits':
      return onCpu[onCpu.length - 1] ? "the model's last stage is on cpu, where the sampler reads." : undefined;
    case 'hidden':
      return onCpu.slice(1).every(Boolean) ? 'no stage on a GPU takes hidden states from another one. Cut the model into two stages on GPUs.' : undefined;
    case 'kv':
      return stages.every((stage, index) => onCpu[index] || stage.firstLayer === stage.endLayer) ? 'no layer is on a GPU.' : undefined;
    default:
      return kind satisfies never;
  }
}
