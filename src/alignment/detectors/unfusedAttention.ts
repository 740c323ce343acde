/** Attention without a fused kernel: its scores go through memory, which grows with the square of the prompt. */

import type { AlignmentMessage } from '../../common/alignment';
import { composeMessage, openState } from '../composeMessage';
import type { AlignmentFacts } from '../facts';
import { stageName } from '../tensorPlaces';

/** Up to here the difference is small. */
const longestHarmlessContext = 1024;

export function findUnfusedAttention(facts: AlignmentFacts): readonly AlignmentMessage[] {
  return (facts.attention ?? [])
    .filter(({ kernel, stageIndex }) => kernel === 'unfused' && facts.plan.contextTokens > longestHarmlessContext && facts.plan.stages[stageIndex]?.provider !== 'cpu')
    .map(({ stageIndex, forbiddenBy = [] }) =>
      composeMessage(facts, {
        kind: 'unfused-attention',
        cause: `stage ${stageIndex}`,
        message: `Attention in ${stageName(facts, stageIndex)} runs unfused at a context of ${facts.plan.contextTokens.toLocaleString('en-US')} tokens: ${forbiddenBy.length > 0 ? `${forbiddenBy.join(', ')} in the environment of the engine forbid the fused kernels.` : "this provider has no fused kernel for the model's heads on this GPU."}`,
        state: openState(facts),
        consumerDevice: facts.plan.stages[stageIndex]?.device,
        next: forbiddenBy.length > 0 ? [{ label: `Start the editor without ${forbiddenBy.map((one) => one.split('=')[0]).join(', ')}` }] : [{ label: 'Lower the context', command: 'glm.openSettings', args: ['glm.contextLength'] }],
      }),
    );
}
