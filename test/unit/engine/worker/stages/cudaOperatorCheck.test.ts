import { describe, expect, it } from 'vitest';
import type { CudaStream } from '../../../../../src/cuda/cudaStream';
import { checkOperators, gateOf, normOf } from '../../../../../src/engine/worker/stages/cudaOperatorCheck';
import { encodeFloats, fromBf16Bits } from '../../../../../src/model/halfFloat';

const shape = { hiddenSize: 64, intermediateSize: 128, rmsNormEpsilon: 1e-5 };

/** Device memory as a map, and kernels in JavaScript over it. */
function fakeDevice(spoil: { readonly gate?: number; readonly norm?: number } = {}) {
  const memory = new Map<bigint, Uint16Array>();
  let next = 4096n;
  const stream = {
    context: {
      allocate: (bytes: number) => {
        const address = next;
        next += BigInt(bytes);
        memory.set(address, new Uint16Array(bytes / 2));
        return address;
      },
      free: (address: bigint) => expect(memory.delete(address)).toBe(true),
      download: (to: Uint16Array, from: bigint) => to.set(memory.get(from)!),
    },
    upload: (to: bigint, from: Uint16Array) => memory.get(to)!.set(from),
    synchronize: () => undefined,
  } as unknown as CudaStream;
  const read = (address: bigint): Float32Array => Float32Array.from(memory.get(address)!, fromBf16Bits);
  const write = (address: bigint, values: Float32Array, offset = 0): void => memory.get(address)!.set(encodeFloats(values.map((value) => value + offset), 'bf16') as Uint16Array);
  const kernels: Parameters<typeof checkOperators>[1] = {
    gate: (_rows, _width, x, y) => write(y, gateOf(read(x)), spoil.gate),
    norm: (_rows, _width, at) => {
      const residual = read(at.residual);
      const sum = at.x === 0n ? residual : normOf(read(at.x), read(at.outputWeight), shape.rmsNormEpsilon).map((value, index) => value + residual[index]!);
      if (at.x !== 0n) {
        write(at.sum, sum);
      }
      write(at.normed, normOf(sum, read(at.nextWeight), shape.rmsNormEpsilon), spoil.norm);
    },
  };
  return { stream, kernels, memory };
}

describe('checkOperators', () => {
  it('finds nothing where the kernels round as bf16 does, and frees what it took', () => {
    const { stream, kernels, memory } = fakeDevice();
    expect(checkOperators(stream, kernels, shape)).toBeUndefined();
    expect(memory.size).toBe(0);
  });

  it('names the kernel that is wrong', () => {
    const gate = fakeDevice({ gate: 0.1 });
    expect(checkOperators(gate.stream, gate.kernels, shape)).toMatch(/gate/);
    const norm = fakeDevice({ norm: NaN });
    expect(checkOperators(norm.stream, norm.kernels, shape)).toMatch(/norms/);
    expect(norm.memory.size).toBe(0);
  });
});
