/** What the stages of a loaded model are made of, as far as a profile tells of it. */

import type { PlacedPart, PlacementMap, StageCopy } from '../../../common/profile';
import type { DeviceId } from '../../../common/deviceId';
import { dtypeBytes } from '../../../common/dtype';
import type { Stage } from '../stages/stage';
import { layerOfNode } from './nodeWork';

export interface StageFacts {
  /** In the order of the model, without times. */
  readonly parts: readonly PlacedPart[];
  readonly copies: readonly StageCopy[];
  /** As the runtime assigned them; empty where it does not tell. */
  readonly nodes: PlacementMap['nodes'];
  /** Bytes that each further sequence takes besides keys and values, by device. */
  readonly bytesPerSequence: ReadonlyMap<DeviceId, number>;
  /** Of the memory that the longest chunk of a prompt takes, the share that the runtime does not have yet: 0 to 1. */
  readonly missingChunkFraction: number;
}

export interface StageShape {
  readonly hiddenSize: number;
  readonly vocabSize: number;
  readonly contextTokens: number;
  readonly maxBatch: number;
}

export function stageFacts(stages: readonly Stage[], shape: StageShape): Omit<StageFacts, 'missingChunkFraction'> {
  const last = stages[stages.length - 1];
  return {
    parts: stages.flatMap((stage) => placedParts(stage, shape)),
    copies: stages.slice(1).map((to, index) => stageCopy(stages[index] as Stage, to, shape)),
    nodes: stages.flatMap(assignedNodes),
    // A row of logits is kept per sequence where the last stage leaves them.
    bytesPerSequence: last === undefined ? new Map() : new Map([[last.parts.device.id, shape.vocabSize * dtypeBytes.f32]]),
  };
}

function placedParts({ parts: { placement, device, stored, kv } }: Stage, { contextTokens, maxBatch }: StageShape): PlacedPart[] {
  const numLayers = placement.endLayer - placement.firstLayer;
  const common = { stageIndex: placement.stageIndex, device: device.id };
  const bytesOf = (isMine: (id: string) => boolean): number => stored.reduce((sum, tensor) => sum + (isMine(tensor.spec.id) ? tensor.byteLength : 0), 0);
  const layers = Array.from({ length: numLayers }, (_, index): PlacedPart => {
    const layer = placement.firstLayer + index;
    return { part: 'layer', layer, ...common, weightBytes: bytesOf((id) => layerOfNode(id) === layer), kvBytesPerPosition: kv.byteLength / (numLayers * contextTokens * maxBatch) };
  });
  const end = (part: 'embedding' | 'head', isMine: (id: string) => boolean): PlacedPart => ({ part, ...common, weightBytes: bytesOf(isMine), kvBytesPerPosition: 0 });
  return [
    ...(placement.hasEmbedding ? [end('embedding', (id) => id === 'embedding')] : []),
    ...layers,
    ...(placement.hasHead ? [end('head', (id) => id !== 'embedding' && layerOfNode(id) === undefined)] : []),
  ];
}

function stageCopy(from: Stage, to: Stage, { hiddenSize }: StageShape): StageCopy {
  const [fromDevice, toDevice] = [from.parts.device.id, to.parts.device.id];
  const isPeer = from.parts.memory.copyFrom !== undefined && to.parts.memory.copyFrom !== undefined;
  return {
    fromStage: from.parts.placement.stageIndex,
    toStage: to.parts.placement.stageIndex,
    from: fromDevice,
    to: toDevice,
    route: to.isMisplaced('hidden') ? 'host' : fromDevice === toDevice ? 'same-device' : isPeer ? 'peer' : 'host',
    bytesPerToken: hiddenSize * dtypeBytes[from.parts.precision.residual],
  };
}

function assignedNodes({ parts: { session, placement, device } }: Stage): PlacementMap['nodes'] {
  return (session.assignedNodes() ?? []).map(({ name, operator, provider }) => {
    const layer = layerOfNode(name);
    return { name, opType: operator, provider, stageIndex: placement.stageIndex, device: device.id, ...(layer === undefined ? {} : { layer }) };
  });
}
