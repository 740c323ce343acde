/** What was loaded against what was planned: devices, stages, bytes. */

import type { AlignmentMessage } from '../../common/alignment';
import { formatBytes } from '../../common/byteFormat';
import { composeMessage, openState } from '../composeMessage';
import type { AlignmentFacts } from '../facts';
import { stageName } from '../tensorPlaces';

/** Alignment of tensors and small tables may add a little to the planned bytes of weights. A cache has exactly the size that follows from its shape. */
const tolerances = { weights: { fraction: 0.03, bytes: 32 * 2 ** 20 }, 'KV cache': { fraction: 0, bytes: 0 } } as const;

export function findPlanDiffers(facts: AlignmentFacts): readonly AlignmentMessage[] {
  return [...findOtherDevices(facts), ...findOtherBytes(facts)];
}

function findOtherDevices(facts: AlignmentFacts): readonly AlignmentMessage[] {
  return facts.plan.stages.flatMap((stage): readonly AlignmentMessage[] => {
    const assignment = facts.assignments.find((one) => one.stageIndex === stage.stageIndex);
    if (assignment?.device === stage.device || (assignment !== undefined && assignment.provider !== stage.provider)) {
      return [];
    }
    const fact = assignment === undefined ? 'the runtime reports no such stage' : `is on ${assignment.device}`;
    return [
      composeMessage(facts, {
        kind: 'plan-differs',
        cause: `stage ${stage.stageIndex}`,
        message: `Layers ${stage.firstLayer}-${stage.endLayer - 1} (${stageName(facts, stage.stageIndex)}) were planned on ${stage.device}, but ${assignment === undefined ? fact : `the stage ${fact}`}.`,
        state: openState(facts),
        tensorDevice: assignment?.device,
        consumerDevice: stage.device,
        next: [{ label: 'Reload the model', command: 'glm.reloadModel' }],
      }),
    ];
  });
}

/** Weights and KV cache per device. Activations are estimates in the plan, so they are not held against it. Where a stage is elsewhere, that is told, and bytes follow from it. */
function findOtherBytes(facts: AlignmentFacts): readonly AlignmentMessage[] {
  const isMoved = facts.plan.stages.some((stage) => facts.assignments.find((one) => one.stageIndex === stage.stageIndex)?.device !== stage.device);
  return (isMoved ? [] : (facts.memory ?? [])).flatMap((use): readonly AlignmentMessage[] => {
    const stages = facts.plan.stages.filter((stage) => stage.device === use.device);
    return (['weights', 'KV cache'] as const).flatMap((part): readonly AlignmentMessage[] => {
      const planned = stages.reduce((sum, stage) => sum + (part === 'weights' ? stage.weightBytes : stage.kvBytes), 0);
      const actual = part === 'weights' ? use.weightBytes : use.kvBytes;
      const tolerance = tolerances[part];
      if (Math.abs(actual - planned) <= Math.max(tolerance.bytes, planned * tolerance.fraction)) {
        return [];
      }
      return [
        composeMessage(facts, {
          kind: 'plan-differs',
          cause: `${part}@${use.device}`,
          message: `The ${part} on ${use.device} take${part === 'weights' ? '' : 's'} ${formatBytes(actual)}, whereas the plan says ${formatBytes(planned)}.`,
          state: openState(facts),
          consumerDevice: use.device,
          next: [{ label: 'Copy the diagnosis for a bug report', command: 'glm.diagnose' }],
        }),
      ];
    });
  });
}
