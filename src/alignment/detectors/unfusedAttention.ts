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
    .map(({ stageIndex }) =>
      composeMessage(facts, {
        kind: 'unfused-attention',
        cause: `stage ${stageIndex}`,
        message: `Attention in ${stageName(facts, stageIndex)} runs unfused at a context of ${facts.plan.contextTokens.toLocaleString('en-US')} tokens: this provider has no flash kernel for the model's head counts in this format.`,
        state: openState(facts),
        consumerDevice: facts.plan.stages[stageIndex]?.device,
        next: [{ label: 'Use bf16 or f16 for the KV cache', command: 'glm.openSettings', args: ['glm.kvCache'] }],
      }),
    );
}
