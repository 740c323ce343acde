/** The nodes of a GPU stage that its provider did not take, with what each makes cross between GPU and CPU. Pure. */

import { dtypeBytes } from '../../../common/dtype';
import type { CpuNode } from '../../../common/placement';
import type { BuiltNode } from '../../../onnx/graphBuilder';
import type { GraphValue } from '../../../onnx/graphValue';
import type { AssignedNode } from '../../../ort/session';

/**
 * @param assigned  What the runtime placed on the CPU.
 * @param built     The graph as we made it; nodes that the runtime fused are not in it, and then no bytes are claimed.
 */
export function describeCpuNodes(assigned: readonly AssignedNode[], built: readonly BuiltNode[]): readonly CpuNode[] {
  const onCpu = new Set(assigned.map(({ name }) => name));
  const byName = new Map(built.map((node) => [node.name, node]));
  const producers = new Map(built.flatMap((node) => node.outputs.flatMap((output) => (output === undefined ? [] : [[output.name, node.name] as const]))));
  const readByGpu = new Set(built.filter(({ name }) => !onCpu.has(name)).flatMap(({ inputs }) => inputs.flatMap((input) => input?.name ?? [])));
  return assigned.map(({ name, operator }) => {
    const node = byName.get(name);
    if (node === undefined) {
      return { name, operator };
    }
    const isFromGpu = (value: GraphValue): boolean => producers.has(value.name) && !onCpu.has(producers.get(value.name) as string);
    const crossing = [...node.inputs.filter((value) => value !== undefined && isFromGpu(value)), ...node.outputs.filter((value) => value !== undefined && readByGpu.has(value.name))];
    return { name, operator, bytesPerToken: crossing.reduce((sum, value) => sum + (value === undefined ? 0 : bytesOfOneToken(value)), 0) };
  });
}

/** Batch, positions and other free dimensions count as one. */
function bytesOfOneToken({ dtype, shape }: GraphValue): number {
  return shape.reduce<number>((product, size) => product * (typeof size === 'number' ? size : 1), dtypeBytes[dtype]);
}
