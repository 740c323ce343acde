/** The gated MLP. A mixture of experts would stand beside it, with the same signature. */

import type { GraphValue } from '../onnx/graphValue';
import { addGatedSilu, addMatMulNBitsMlp, addMul, addSilu, addSplitHalves } from '../onnx/operators';
import type { LayerContext } from './layerContext';
import { addLinear } from './linear';
import type { LinearSpec } from './weightSpecs';

/** down(up(x) · silu(gate(x))): `activations[b, s, hiddenSize]` → the same; gate is the first half of `gateUp`'s rows. */
export function addGatedMlp(ctx: LayerContext, path: string, x: GraphValue, gateUp: LinearSpec, down: LinearSpec): GraphValue {
  const { graph, precision } = ctx;
  const halves = precision.hasGatedProduct ? ctx.weights.linearHalves(gateUp) : undefined;
  if (halves !== undefined) {
    return addLinear(ctx, `${path}/down`, addMatMulNBitsMlp(graph, `${path}/gated`, x, halves[0], halves[1], precision.accuracyLevel), down);
  }
  const both = addLinear(ctx, `${path}/gate_up`, x, gateUp);
  if (precision.hasGatedSilu) {
    return addLinear(ctx, `${path}/down`, addGatedSilu(graph, `${path}/gated`, both), down);
  }
  const [gate, up] = addSplitHalves(graph, `${path}/split`, both, [`${path}/gate`, `${path}/up`]);
  const activated = addMul(graph, `${path}/gated`, addSilu(graph, `${path}/silu`, gate), up);
  return addLinear(ctx, `${path}/down`, activated, down);
}
