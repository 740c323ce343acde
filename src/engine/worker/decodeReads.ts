/** What one decode step has to read on each device: all weights but the embedding's other rows, and the keys and values so far. */

import type { ModelSizes, PlacementPlan, StagePlacement } from '../../common/placement';
import type { DecodeRead } from '../../common/protocol/engine';

/** @param sizesOf  The sizes in the formats that a stage holds its part in. */
export function decodeReads(plan: PlacementPlan, sizesOf: (stage: StagePlacement) => ModelSizes): readonly DecodeRead[] {
  return plan.stages.map((stage) => {
    const sizes = sizesOf(stage);
    const layers = sizes.layerBytes.slice(stage.firstLayer, stage.endLayer);
    return {
      device: stage.device,
      weightBytes: layers.reduce((sum, bytes) => sum + bytes, 0) + (stage.hasHead ? sizes.headBytes : 0),
      kvBytesPerPosition: layers.length * sizes.kvBytesPerTokenPerLayer,
    };
  });
}
