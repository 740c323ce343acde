/** What a stage has bound, as facts for src/alignment: where each tensor lies by the runtime's own word, and what crosses a border for one token. */

import type { BoundTensor } from '../../../alignment/facts';
import { memoryDevice } from '../../../alignment/memoryPlace';
import { cpuDevice } from '../../../common/deviceId';
import { kvNames } from '../../../model/attention';
import { stageNames } from '../../../model/stageGraph';
import type { IoBinding } from '../../../ort/running';
import { noMisplacement, type Misplaceable } from './misplacement';
import type { StageParts } from './stage';
import type { StepShape } from './stepBuffers';

export function boundTensors({ placement, device, misplacement = noMisplacement }: StageParts, binding: IoBinding, shape: StepShape): BoundTensor[] {
  const { slotCount, tokens, positions } = shape;
  const describe = (name: string, direction: 'input' | 'output', role: BoundTensor['role'], rows: number, option?: Misplaceable): readonly BoundTensor[] => {
    const value = direction === 'input' ? binding.boundInput(name) : binding.boundOutput(name);
    const lies = value === undefined ? undefined : memoryDevice(value.memoryName, device.id);
    if (value === undefined || lies === undefined) {
      return [];
    }
    const isFixed = option !== undefined && misplacement.wanted.has(option) && !misplacement.isInForce && placement.provider !== 'cpu';
    const wrongDevice = option === 'logits' ? device.id : cpuDevice;
    return [
      {
        stageIndex: placement.stageIndex,
        name,
        direction,
        role,
        device: lies,
        bytesPerToken: value.byteLength / rows,
        ...(isFixed ? { wantedDevice: wrongDevice } : {}),
        // The sampler reads them here.
        ...(name === stageNames.logits ? { readOn: cpuDevice } : {}),
      },
    ];
  };
  const newRows = slotCount * tokens;
  const layers = Array.from({ length: placement.endLayer - placement.firstLayer }, (_, index) => kvNames(placement.firstLayer + index));
  return [
    ...describe(stageNames.inputIds, 'input', 'step', newRows, 'input_ids'),
    ...describe(stageNames.seqlensK, 'input', 'step', slotCount, 'positions'),
    ...describe(stageNames.totalSequenceLength, 'input', 'step', slotCount),
    ...describe(stageNames.logitsFrom, 'input', 'step', slotCount),
    ...describe(stageNames.hiddenIn, 'input', 'hidden', newRows, 'hidden'),
    ...describe(stageNames.hiddenOut, 'output', 'hidden', newRows),
    // A cache elsewhere crosses as a whole, whatever part of it is new.
    ...layers.flatMap((names) => [...describe(names.pastKey, 'input', 'kv', slotCount, 'kv'), ...describe(names.pastValue, 'input', 'kv', slotCount, 'kv')]),
    ...layers.flatMap((names) => [...describe(names.presentKey, 'output', 'kv', slotCount), ...describe(names.presentValue, 'output', 'kv', slotCount)]),
    ...describe(stageNames.logits, 'output', 'step', slotCount * positions, 'logits'),
  ];
}
