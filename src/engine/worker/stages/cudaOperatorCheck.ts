/** A try of our operators on a GPU before a model relies on them: a few rows against the same arithmetic here. Takes about a millisecond. */

import type { CudaStream } from '../../../cuda/cudaStream';
import { encodeFloats } from '../../../model/halfFloat';
import type { CudaOperators, OperatorShape } from './cudaOperators';

const rows = 3;
const gateWidth = 264;

type Kernels = Pick<CudaOperators, 'gate' | 'norm'>;

/** @returns in words what a kernel computes wrongly; undefined when all is well. */
export function checkOperators(stream: CudaStream, kernels: Kernels, { hiddenSize, rmsNormEpsilon }: OperatorShape): string | undefined {
  const { context } = stream;
  const taken: bigint[] = [];
  const place = (count: number, values?: Float32Array): bigint => {
    const address = context.allocate(count * 2);
    taken.push(address);
    if (values !== undefined) {
      stream.upload(address, encodeFloats(values, 'bf16'));
    }
    return address;
  };
  const read = (address: bigint, count: number): Float32Array => {
    stream.synchronize();
    const bits = new Uint16Array(count);
    context.download(bits, address);
    return fromBf16(bits);
  };
  try {
    const count = rows * hiddenSize;
    const [gateIn, x, residual, w1, w2] = [rows * gateWidth * 2, count, count, hiddenSize, hiddenSize].map((size, index) => sample(size, index)) as [Float32Array, Float32Array, Float32Array, Float32Array, Float32Array];
    const gated = place(rows * gateWidth);
    kernels.gate(rows, gateWidth, place(gateIn.length, gateIn), gated);
    if (!isClose(read(gated, rows * gateWidth), gateOf(gateIn))) {
      return 'the gate of the MLP is computed wrongly';
    }
    const [normed, sum, alone] = [place(count), place(count), place(count)];
    const weights = [place(hiddenSize, w1), place(hiddenSize, w2)] as const;
    const residualAt = place(count, residual);
    kernels.norm(rows, hiddenSize, { x: place(count, x), residual: residualAt, outputWeight: weights[0], nextWeight: weights[1], normed, sum });
    kernels.norm(rows, hiddenSize, { x: 0n, residual: residualAt, outputWeight: 0n, nextWeight: weights[1], normed: alone, sum: 0n });
    const wantSum = normOf(x, w1, rmsNormEpsilon).map((value, index) => value + (residual[index] ?? NaN));
    const areRight = isClose(read(sum, count), wantSum) && isClose(read(normed, count), normOf(wantSum, w2, rmsNormEpsilon)) && isClose(read(alone, count), normOf(residual, w2, rmsNormEpsilon));
    return areRight ? undefined : 'the norms are computed wrongly';
  } finally {
    taken.forEach((address) => context.free(address));
  }
}

/** Between −2 and 2, exactly what bf16 holds of it. */
export function sample(count: number, seed: number): Float32Array {
  return fromBf16(encodeFloats(Float32Array.from({ length: count }, (_, index) => 2 * Math.sin((index + 1) * 12.9898 * (seed + 1))), 'bf16') as Uint16Array);
}

export function gateOf(x: Float32Array): Float32Array {
  return Float32Array.from({ length: x.length / 2 }, (_, at) => {
    const from = Math.floor(at / gateWidth) * 2 * gateWidth + (at % gateWidth);
    const a = x[from] ?? NaN;
    return (a / (1 + Math.exp(-a))) * (x[from + gateWidth] ?? NaN);
  });
}

export function normOf(x: Float32Array, weight: Float32Array, epsilon: number): Float32Array {
  const width = weight.length;
  const scales = Array.from({ length: x.length / width }, (_, row) => 1 / Math.sqrt(x.subarray(row * width, (row + 1) * width).reduce((sum, value) => sum + value * value, 0) / width + epsilon));
  return x.map((value, index) => value * (scales[Math.floor(index / width)] ?? NaN) * (weight[index % width] ?? NaN));
}

/** Within a few roundings to bf16; NaN is never close. */
export function isClose(got: Float32Array, want: Float32Array): boolean {
  return got.length === want.length && got.every((value, index) => Math.abs(value - (want[index] ?? NaN)) <= 0.02 + 0.02 * Math.abs(want[index] ?? NaN));
}

function fromBf16(bits: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(bits, (value) => value << 16).buffer);
}
