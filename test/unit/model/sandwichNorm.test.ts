/** The norms around a block of GLM-4-0414: as the runtime's operators and as ours, which here are computed in JavaScript. */

import { afterAll, describe, expect, it } from 'vitest';
import type { LayerContext, ResidualStream } from '../../../src/model/layerContext';
import { addStreamNorm, addToStream, settleStream } from '../../../src/model/layerContext';
import type { NormSpec } from '../../../src/model/weightSpecs';
import { GraphBuilder, ownDomain } from '../../../src/onnx/graphBuilder';
import { sandwichNormOperator, streamNormOperator } from '../../../src/onnx/operators';
import { CustomOpDomain, type CustomOpNode } from '../../../src/ort/customOp';
import { Env } from '../../../src/ort/env';
import { MemoryInfo } from '../../../src/ort/memory';
import { copyFromAddress, copyToAddress } from '../../../src/ort/nativeBytes';
import { IoBinding, RunOptions } from '../../../src/ort/running';
import { Session, SessionOptions } from '../../../src/ort/session';
import { Value } from '../../../src/ort/value';
import { normOf } from '../../../src/engine/worker/stages/cudaOperatorCheck';

const env = Env.open();
const { library } = env;
afterAll(() => env.dispose());

const [rows, width, epsilon] = [3, 16, 1e-5];
const inputs = ['x', 'residual', 'first', 'output', 'next'] as const;
const valuesOf = (name: (typeof inputs)[number]): Float32Array =>
  Float32Array.from({ length: name === 'x' || name === 'residual' ? rows * width : width }, (_, index) => Math.sin((index + 1) * (inputs.indexOf(name) + 1.3)) * 2);

/** norm(residual), then x joins by way of its own norm, then the next norm and what the stream is at the end of a stage. */
function buildGraph(hasSandwichNorm: boolean): GraphBuilder {
  const graph = new GraphBuilder('norms');
  const shape = ['b', 's', width];
  const x = graph.addInput('x', 'f32', shape);
  const residual = graph.addInput('residual', 'f32', shape);
  const weights = new Map(['first', 'output', 'next'].map((name) => [name, graph.addInput(name, 'f32', [width])]));
  const ctx = {
    graph,
    config: { architecture: 'glm4', rmsNormEpsilon: epsilon },
    precision: { residual: 'f32', activations: 'f32', rescales: false, hasSandwichNorm },
    weights: { norm: ({ id }: NormSpec) => weights.get(id) },
  } as unknown as LayerContext;
  const norm = (id: string): NormSpec => ({ id }) as unknown as NormSpec;
  const joined = (name: string): ResidualStream => addToStream(ctx, name, residual, x, norm('output'));
  const first = addStreamNorm(ctx, 'first_norm', { residual }, norm('first'));
  const middle = addStreamNorm(ctx, 'next_norm', joined('joined'), norm('next'));
  [first.normed, middle.normed, middle.stream.residual, settleStream(ctx, 'settled', joined('joined_again'))].forEach((value) => graph.addOutput(value));
  return graph;
}

const read = (address: bigint, count: number): Float32Array => {
  const values = new Float32Array(count);
  copyFromAddress(values, address);
  return values;
};

function computeNorm(node: CustomOpNode, hasBlock: boolean): void {
  const { address, shape } = node.input(0);
  const count = shape.reduce((product, size) => product * size, 1);
  const weight = (index: number): Float32Array => read(node.input(index).address, width);
  if (!hasBlock) {
    copyToAddress(node.output(0, shape), normOf(read(address, count), weight(1), epsilon));
    return;
  }
  const before = read(node.input(1).address, count);
  const sum = normOf(read(address, count), weight(2), epsilon).map((value, index) => value + before[index]!);
  copyToAddress(node.output(0, shape), normOf(sum, weight(3), epsilon));
  copyToAddress(node.output(1, shape), sum);
}

async function run(hasSandwichNorm: boolean): Promise<readonly Float32Array[]> {
  const graph = buildGraph(hasSandwichNorm);
  using domain = new CustomOpDomain(library, ownDomain, [
    { name: sandwichNormOperator, inputs: ['f32', 'f32', 'f32', 'f32'], outputs: ['f32', 'f32'], compute: (node) => computeNorm(node, true) },
    { name: streamNormOperator, inputs: ['f32', 'f32'], outputs: ['f32'], compute: (node) => computeNorm(node, false) },
  ]);
  using options = new SessionOptions(library);
  domain.addTo(options);
  using session = await Session.fromBytes(env, graph.toModelBytes(), options);
  using info = new MemoryInfo(library, 'Cpu');
  using binding = new IoBinding(session);
  using runOptions = new RunOptions(library);
  const shapeOf = (name: string): number[] => (name === 'x' || name === 'residual' ? [1, rows, width] : [width]);
  inputs.forEach((name) => binding.bindInput(name, Value.overArray(info, valuesOf(name), 'f32', shapeOf(name))));
  const results = session.outputNames.map((name) => {
    const result = new Float32Array(rows * width);
    binding.bindOutput(name, Value.overArray(info, result, 'f32', [1, rows, width]));
    return result;
  });
  binding.run(runOptions);
  return results;
}

describe('the norms of GLM-4-0414', () => {
  it('are the same as the runtime’s operators and as ours', async () => {
    const [plain, own] = [await run(false), await run(true)];
    expect(own).toHaveLength(4);
    plain.forEach((values, output) => values.forEach((value, index) => expect(own[output]![index]).toBeCloseTo(value, 4)));
  });
});
