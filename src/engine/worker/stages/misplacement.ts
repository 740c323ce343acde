/** The debug option that puts tensors and more on the wrong device on purpose, so that finding them and their cost can be seen. */

import { GlmError } from '../../../common/errors';
import type { AlignmentMode } from '../../../common/alignment';
import type { PlacementPlan } from '../../../common/placement';
import type { Misplaceable } from '../../../common/protocol/engine';

export type { Misplaceable };

export interface Misplacement {
  readonly wanted: ReadonlySet<Misplaceable>;
  /** False: the tensors are kept where they are read, and that they were wanted elsewhere is only told. */
  readonly isInForce: boolean;
}

export const noMisplacement: Misplacement = { wanted: new Set(), isInForce: false };

/** No choice of ours puts these right: which operators a provider has, whether it comes, what others allocate. */
const unrepairable: ReadonlySet<Misplaceable> = new Set<Misplaceable>(['node', 'provider', 'plan']);

/** Whether this is really where it does not belong. */
export function isInForce({ wanted, isInForce }: Misplacement, what: Misplaceable): boolean {
  return wanted.has(what) && (isInForce || unrepairable.has(what));
}

/**
 * Something that was to be put on the wrong device has no wrong device in this plan.
 *
 * Cause: a plan on the CPU alone, or on one stage. Handled by: the load request.
 */
export class MisplaceError extends GlmError {
  constructor(what: Misplaceable | undefined, reason: string) {
    super('misplace-impossible', `${what ?? 'No tensor'} can${what === undefined ? '' : "'t"} be put on the wrong device: ${reason}`, { fields: { tensor: what } });
  }
}

/** @throws {MisplaceError} when something has no wrong device here, or when there is no second device at all. */
export function planMisplacement(kinds: readonly Misplaceable[] | undefined, mode: AlignmentMode, plan: PlacementPlan): Misplacement {
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

/** The GPU stages that get the extra node, and that lose their provider: one is enough to be found, whatever else is loaded. */
export function firstGpuStage({ stages }: PlacementPlan): number {
  return stages.findIndex((stage) => stage.provider !== 'cpu');
}

export function lastGpuStage({ stages }: PlacementPlan): number {
  return stages.length - 1 - [...stages].reverse().findIndex((stage) => stage.provider !== 'cpu');
}

function obstacleTo(kind: Misplaceable, { stages }: PlacementPlan): string | undefined {
  const onCpu = stages.map((stage) => stage.provider === 'cpu');
  switch (kind) {
    case 'input_ids':
      return onCpu[0] ? "the model's first stage is on cpu, where the ids are anyway." : undefined;
    case 'logits':
      return onCpu[onCpu.length - 1] ? "the model's last stage is on cpu, where the sampler reads." : undefined;
    case 'hidden':
      return onCpu.slice(1).every(Boolean) ? 'no stage on a GPU takes hidden states from another one. Cut the model into two stages on GPUs.' : undefined;
    case 'positions':
    case 'kv':
    case 'plan':
      return stages.every((stage, index) => onCpu[index] || stage.firstLayer === stage.endLayer) ? 'no layer is on a GPU.' : undefined;
    case 'node':
      // With every stage on the CPU, nothing at all can be misplaced, which is said before.
      return undefined;
    case 'provider':
      return stages.some((stage) => stage.provider === 'cuda')
        ? "the CPU has no kernels for the 16-bit graphs of a CUDA stage, so without its provider such a stage fails to load and is never replaced. Load the model with provider auto where the CUDA libraries can't be found."
        : undefined;
    default:
      return kind satisfies never;
  }
}
