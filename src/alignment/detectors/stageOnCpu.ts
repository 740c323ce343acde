/** Layers on the CPU although the machine has GPUs: by plan, with or without room left. */

import type { AlignmentMessage } from '../../common/alignment';
import { formatBytes } from '../../common/byteFormat';
import { cpuDevice } from '../../common/deviceId';
import type { NextStep } from '../../common/errors';
import { composeMessage, openState } from '../composeMessage';
import type { AlignmentFacts } from '../facts';

export function findStageOnCpu(facts: AlignmentFacts): readonly AlignmentMessage[] {
  const gpus = facts.devices.filter((device) => device.provider !== 'cpu');
  const stages = facts.plan.stages.filter((stage) => stage.provider === 'cpu');
  // A model that runs on the CPU alone was put there; layers left behind were not.
  if (gpus.length === 0 || stages.length === 0 || stages.length === facts.plan.stages.length) {
    return [];
  }
  const numLayers = stages.reduce((sum, stage) => sum + stage.endLayer - stage.firstLayer, 0);
  const bytes = stages.reduce((sum, stage) => sum + stage.weightBytes + stage.kvBytes, 0);
  const layers = stages.map((stage) => (stage.endLayer - stage.firstLayer === 1 ? String(stage.firstLayer) : `${stage.firstLayer}-${stage.endLayer - 1}`)).join(', ');
  const roomiest = gpus.reduce((best, device) => (device.freeBytes > best.freeBytes ? device : best));
  const hasRoom = roomiest.freeBytes >= bytes;
  const reload: NextStep = { label: 'Use device map "auto"', command: 'glm.fixAlignment', args: ['deviceMap'] };
  return [
    composeMessage(facts, {
      kind: 'stage-on-cpu',
      cause: cpuDevice,
      message: `${numLayers} ${numLayers === 1 ? 'layer' : 'layers'} (${layers}, ${formatBytes(bytes)} with ${numLayers === 1 ? 'its' : 'their'} KV cache) ${numLayers === 1 ? 'is' : 'are'} on cpu, whereas the rest of the model is on ${[...new Set(facts.plan.stages.filter((stage) => stage.provider !== 'cpu').map((stage) => stage.device))].join(' and ')}. ${
        hasRoom ? `${roomiest.id} has ${formatBytes(roomiest.freeBytes)} free and could hold ${numLayers === 1 ? 'it' : 'them'}.` : `No GPU has room for ${numLayers === 1 ? 'it' : 'them'}; the roomiest, ${roomiest.id}, has ${formatBytes(roomiest.freeBytes)} free.`
      }`,
      state: openState(facts),
      tensorDevice: cpuDevice,
      consumerDevice: roomiest.id,
      next: hasRoom
        ? [reload]
        : [
            { label: 'Lower the context', command: 'glm.openSettings', args: ['glm.contextLength'] },
            ...(facts.plan.weightFormat === 'int4' ? [] : [{ label: 'Use int4 weights', command: 'glm.openSettings', args: ['glm.weights'] }]),
          ],
    }),
  ];
}
