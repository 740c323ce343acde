import { afterAll, describe, expect, it } from 'vitest';
import { GraphBuilder, ownDomain } from '../../../src/onnx/graphBuilder';
import { addAdd, addGatedSilu, gatedSiluOperator } from '../../../src/onnx/operators';
import { CustomOpDomain, type CustomOpNode } from '../../../src/ort/customOp';
import { Env } from '../../../src/ort/env';
import { MemoryInfo } from '../../../src/ort/memory';
import { copyFromAddress, copyToAddress } from '../../../src/ort/nativeBytes';
import { IoBinding, RunOptions } from '../../../src/ort/running';
import { Session, SessionOptions } from '../../../src/ort/session';
import { Value } from '../../../src/ort/value';

const env = Env.open();
const { library } = env;
afterAll(() => env.dispose());

const silu = (x: number): number => x / (1 + Math.exp(-x));

/** The operator as the CPU would compute it, over the memory that the runtime hands out. */
function gateOnHost(node: CustomOpNode): void {
  const { address, shape } = node.input(0);
  const [rows, width] = [shape.slice(0, -1).reduce((product, size) => product * size, 1), (shape[shape.length - 1] ?? 0) / 2];
  const x = new Float32Array(rows * width * 2);
  copyFromAddress(x, address);
  const y = Float32Array.from({ length: rows * width }, (_, at) => {
    const from = Math.floor(at / width) * width * 2 + (at % width);
    return silu(x[from] ?? NaN) * (x[from + width] ?? NaN);
  });
  copyToAddress(node.output(0, [...shape.slice(0, -1), width]), y);
}

/** y = gated(gated(x) + w), so that two nodes of the operator and one of the runtime work on each other's results. */
async function openGated(compute: (node: CustomOpNode) => void): Promise<{ readonly session: Session; readonly domain: CustomOpDomain }> {
  const graph = new GraphBuilder('gated');
  const x = graph.addInput('x', 'f32', ['b', 's', 8]);
  const w = graph.addInput('w', 'f32', [4]);
  graph.addOutput(addGatedSilu(graph, 'y', addAdd(graph, 'sum', addGatedSilu(graph, 'first', x), w)));
  const domain = new CustomOpDomain(library, ownDomain, [{ name: gatedSiluOperator, inputs: ['f32'], outputs: ['f32'], compute }]);
  const options = new SessionOptions(library);
  domain.addTo(options);
  const session = await Session.fromBytes(env, graph.toModelBytes(), options);
  options.dispose();
  return { session, domain };
}

function run(session: Session, x: Float32Array, rows: number): Float32Array {
  using info = new MemoryInfo(library, 'Cpu');
  using binding = new IoBinding(session);
  using options = new RunOptions(library);
  const y = new Float32Array(rows * 2);
  binding.bindInput('x', Value.overArray(info, x, 'f32', [1, rows, 8])).bindInput('w', Value.overArray(info, Float32Array.of(1, -1, 0.5, 2), 'f32', [4]));
  binding.bindOutput('y', Value.overArray(info, y, 'f32', [1, rows, 2]));
  binding.run(options);
  return y;
}

describe('an operator of our own', () => {
  it('is called for each of its nodes with their tensors, in a session made on another thread', async () => {
    const { session, domain } = await openGated(gateOnHost);
    try {
      const x = Float32Array.from({ length: 24 }, (_, index) => Math.sin(index * 1.7) * 3);
      const w = [1, -1, 0.5, 2];
      const want = [0, 1, 2].flatMap((row) => {
        const middle = [0, 1, 2, 3].map((i) => silu(x[row * 8 + i]!) * x[row * 8 + 4 + i]! + w[i]!);
        return [0, 1].map((i) => silu(middle[i]!) * middle[2 + i]!);
      });
      for (let round = 0; round < 50; round += 1) {
        run(session, x, 3).forEach((value, index) => expect(value).toBeCloseTo(want[index]!, 5));
      }
    } finally {
      session.dispose();
      domain.dispose();
    }
  });

  it('ends the run with what it throws', async () => {
    const { session, domain } = await openGated(() => {
      throw new Error('no kernel for this device');
    });
    try {
      expect(() => run(session, new Float32Array(8), 1)).toThrow(/no kernel for this device/);
    } finally {
      session.dispose();
      domain.dispose();
    }
  });
});
