/** Builds a message with everything that all kinds share: key, state, cost. */

import { alignmentCostKey, type AlignmentKind, type AlignmentMessage } from '../common/alignment';
import { formatBytes } from '../common/byteFormat';
import type { DeviceId } from '../common/deviceId';
import type { NextStep } from '../common/errors';
import type { AlignmentFacts } from './facts';

export interface Finding {
  readonly kind: AlignmentKind;
  /** What tells this cause from others of its kind: a tensor, a device, a stage. */
  readonly cause: string;
  readonly message: string;
  readonly state: AlignmentMessage['state'];
  readonly tensor?: string;
  readonly tensorDevice?: DeviceId;
  readonly consumerDevice?: DeviceId;
  readonly bytesPerToken?: number;
  readonly takenBytes?: number;
  readonly next: readonly NextStep[];
}

export function composeMessage(facts: AlignmentFacts, finding: Finding): AlignmentMessage {
  const { cause, message, ...rest } = finding;
  const costMsPerToken = facts.measuredCostMs?.[alignmentCostKey(finding.kind, finding.tensor)];
  return {
    ...rest,
    key: `${finding.kind}|${facts.modelName}|${cause}`,
    message: `${message}${costSentence(finding, costMsPerToken)}${facts.simulated === true ? ' (simulated)' : ''}`,
    ...(costMsPerToken === undefined ? {} : { costMsPerToken }),
    ...(facts.simulated === true ? { simulated: true } : {}),
  };
}

/** What a mismatch that stays is called: `off` means that it was left on purpose. */
export const openState = (facts: AlignmentFacts): 'found' | 'left' => (facts.mode === 'off' ? 'left' : 'found');

/** Lets tensors be repaired by themselves. */
export const autoFixStep = (label: string): NextStep => ({ label, command: 'glm.fixAlignment' });

/** Measured costs only: what was not measured is not claimed. */
function costSentence({ bytesPerToken, state }: Finding, costMsPerToken: number | undefined): string {
  const parts = [
    ...(bytesPerToken === undefined ? [] : [`${formatBytes(bytesPerToken)} per token`]),
    ...(costMsPerToken === undefined ? [] : [`${costMsPerToken.toFixed(2)} ms per token, measured`]),
  ];
  return parts.length === 0 ? '' : ` ${state === 'fixed' ? 'Saved' : 'Cost'}: ${parts.join('; ')}.`;
}
