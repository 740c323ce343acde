import onnxProto from 'onnx-proto';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/onnx/graphBuilder';
import { addAdd, addGather, addMatMulNBits, addMatMulTransposed, addRmsNorm, addSkipRmsNorm, addSplitHalves } from '../../../src/onnx/operators';

describe('GraphBuilder', () => {
  it('dumps inputs, weights, nodes and outputs as one line each', () => {
    const graph = new GraphBuilder('demo');
    const x = graph.addInput('x', 'f32', ['b', 's', 64]);
    const w = graph.addExternalInitializer('w', 'f32', [64], { location: 'file', offset: 4096, byteLength: 256 });
    graph.addOutput(addRmsNorm(graph, '/norm', x, w, 1e-5));
    expect(graph.toText()).toBe(
      [
        'graph demo',
        'input x: f32[b,s,64]',
        'weight w: f32[64]',
        '/norm: f32[b,s,64] = SimplifiedLayerNormalization(x, w) axis=-1 epsilon=0.00001 stash_type=1',
        'output /norm: f32[b,s,64]',
        '',
      ].join('\n'),
    );
  });

  it('writes a model that reads back with the same nodes, attributes and external data', () => {
    const graph = new GraphBuilder('demo');
    const x = graph.addInput('x', 'f32', ['b', 's', 64]);
    const w = graph.addExternalInitializer('w', 'f32', [32, 64], { location: 'weights.bin', offset: 8192, byteLength: 8192 });
    graph.addOutput(addMatMulTransposed(graph, 'y', x, w));
    const model = onnxProto.onnx.ModelProto.decode(graph.toModelBytes());
    const [node] = model.graph?.node ?? [];
    expect(node).toMatchObject({ opType: 'FusedMatMul', domain: 'com.microsoft', input: ['x', 'w'], output: ['y'] });
    expect(node?.attribute?.[0]?.name).toBe('transB');
    const [tensor] = model.graph?.initializer ?? [];
    expect(tensor?.externalData?.map(({ key, value }) => [key, value])).toEqual([
      ['location', 'weights.bin'],
      ['offset', '8192'],
      ['length', '8192'],
    ]);
  });

  it('refuses a name twice, an operand of another graph, and data of the wrong size', () => {
    const graph = new GraphBuilder('demo');
    const x = graph.addInput('x', 'f32', [4]);
    expect(() => graph.addInput('x', 'f32', [4])).toThrow(/name is taken/);
    const stranger = new GraphBuilder('other').addInput('y', 'f32', [4]);
    expect(() => addAdd(graph, 'sum', x, stranger)).toThrow(/y does not exist yet/);
    expect(() => graph.addInitializer('c', 'i64', [2], BigInt64Array.of(1n))).toThrow(/8 bytes .* takes 16/);
    expect(() => graph.addExternalInitializer('e', 'f16', [3], { location: 'f', offset: 0, byteLength: 12 })).toThrow(/takes 6/);
  });
});

describe('operators', () => {
  const graph = new GraphBuilder('checks');
  const x = graph.addInput('x', 'f32', ['b', 's', 64]);
  const half = graph.addInput('half', 'f16', ['b', 's', 64]);
  const narrow = graph.addInput('narrow', 'f32', ['b', 's', 32]);
  const weight = graph.addInput('weight', 'f32', [64]);

  it('refuse operands whose dtypes differ', () => {
    expect(() => addAdd(graph, 'a', x, half)).toThrow(/half is f16, expected f32/);
    expect(() => addRmsNorm(graph, 'n', half, weight, 1e-5)).toThrow(/weight is f32, expected f16/);
  });

  it('refuse operands whose shapes do not meet', () => {
    expect(() => addAdd(graph, 'a', x, narrow)).toThrow(/does not spread/);
    expect(() => addRmsNorm(graph, 'n', narrow, weight, 1e-5)).toThrow(/expected \[32\]/);
    expect(() => addSkipRmsNorm(graph, 'n', x, narrow, weight, 1e-5, 'sum')).toThrow(/expected \[b,s,64\]/);
    expect(() => addMatMulTransposed(graph, 'm', x, graph.addInput('w2', 'f32', [8, 63]))).toThrow(/expected \[\?,64\]/);
    expect(() => addSplitHalves(graph, 's', graph.addInput('odd', 'f32', [3]), ['l', 'r'])).toThrow(/no halves/);
    expect(() => addGather(graph, 'g', x, x)).toThrow(/x is f32/);
  });

  it('check block-quantised weights against width and block size', () => {
    const values = graph.addInput('values', 'u8', [8, 2, 16]);
    const scales = graph.addInput('scales', 'f32', [8, 2]);
    const y = addMatMulNBits(graph, 'q', x, { values, scales, bits: 4, blockSize: 32 }, undefined, 4);
    expect(y.shape).toEqual(['b', 's', 8]);
    expect(() => addMatMulNBits(graph, 'q2', narrow, { values, scales, bits: 4, blockSize: 32 }, undefined, 4)).toThrow(/expected \[8,1,16\]/);
    expect(() => addMatMulNBits(graph, 'q3', x, { values, scales, bits: 8, blockSize: 32 }, undefined, 4)).toThrow(/expected \[8,2,32\]/);
  });
});
