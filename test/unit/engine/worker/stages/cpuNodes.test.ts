import { describe, expect, it } from 'vitest';
import type { BuiltNode } from '../../../../../src/onnx/graphBuilder';
import type { GraphValue } from '../../../../../src/onnx/graphValue';
import { describeCpuNodes } from '../../../../../src/engine/worker/stages/cpuNodes';

const value = (name: string): GraphValue => ({ name, dtype: 'f32', shape: ['b', 's', 64] });
const node = (name: string, operator: string, inputs: readonly string[]): BuiltNode => ({ name, operator, inputs: inputs.map(value), outputs: [value(name)] });
const onCpu = (name: string, operator: string) => ({ name, operator, provider: 'CPUExecutionProvider' });

describe('describeCpuNodes', () => {
  const chain = [node('a', 'Mul', ['weights']), node('b', 'Mean', ['a']), node('c', 'Mean', ['b']), node('d', 'Mul', ['c', 'a'])];

  it('counts what crosses into a node and out of it, for one token', () => {
    expect(describeCpuNodes([onCpu('b', 'Mean')], chain)).toEqual([{ name: 'b', operator: 'Mean', bytesPerToken: 2 * 64 * 4 }]);
  });

  it('counts nothing between two nodes that are both on the CPU', () => {
    expect(describeCpuNodes([onCpu('b', 'Mean'), onCpu('c', 'Mean')], chain).map(({ bytesPerToken }) => bytesPerToken)).toEqual([256, 256]);
  });

  it('claims no bytes for a node that the runtime made itself, nor for what no node makes', () => {
    expect(describeCpuNodes([onCpu('fused', 'FusedMatMul')], chain)).toEqual([{ name: 'fused', operator: 'FusedMatMul' }]);
    expect(describeCpuNodes([onCpu('a', 'Mul')], chain)[0]?.bytesPerToken).toBe(256);
  });
});
