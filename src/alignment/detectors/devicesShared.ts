/** Two of our models on one device: each waits for the other. */

import type { AlignmentMessage } from '../../common/alignment';
import { composeMessage, openState } from '../composeMessage';
import type { AlignmentFacts } from '../facts';

export function findDevicesShared(facts: AlignmentFacts): readonly AlignmentMessage[] {
  const own = [...new Set(facts.plan.stages.map((stage) => stage.device))];
  return own.flatMap((device): readonly AlignmentMessage[] => {
    const others = (facts.otherModels ?? []).filter((model) => model.devices.includes(device)).map((model) => model.name);
    if (others.length === 0) {
      return [];
    }
    return [
      composeMessage(facts, {
        kind: 'devices-shared',
        cause: `${device} with ${[...others].sort().join(', ')}`,
        message: `${facts.modelName} is on ${device}, and so ${others.length === 1 ? 'is' : 'are'} ${others.join(' and ')}. While ${others.length === 1 ? 'both answer' : 'several answer'}, each waits for the other${others.length === 1 ? '' : 's'}.`,
        state: openState(facts),
        consumerDevice: device,
        next: [{ label: `Unload ${others[0]}`, command: 'glm.unloadModel' }, { label: 'Use another device', command: 'glm.openSettings', args: ['glm.deviceMap'] }],
      }),
    ];
  });
}
