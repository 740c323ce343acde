/** Operators of ours for a GPU's sessions: kernels compiled for that GPU, queued on the stage's stream when the runtime comes to their nodes. */

import type { CudaStream } from '../../../cuda/cudaStream';
import { KernelModule } from '../../../cuda/kernelModule';
import { compileKernels, KernelCompileError } from '../../../cuda/nvrtc';
import operatorSource from '../../../cuda/stageOperators.cu';
import { ownDomain } from '../../../onnx/graphBuilder';
import { gatedSiluOperator, sandwichNormOperator, streamNormOperator } from '../../../onnx/operators';
import { CustomOpDomain, type CustomOpNode } from '../../../ort/customOp';
import type { OrtLibrary } from '../../../ort/ortLibrary';
import { checkOperators } from './cudaOperatorCheck';

/** What the operators need to know of a model. */
export interface OperatorShape {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly rmsNormEpsilon: number;
}

/** Elements that one thread reads at once; rows must be whole numbers of them. */
const groupElements = 8;
const gateThreads = 256;
const mostNormThreads = 512;
/** Shared memory that every GPU gives a block unasked. */
const sharedBytes = 48 * 1024;
const normSharedBytes = (hiddenSize: number): number => (hiddenSize + mostNormThreads / 32) * 4;

/** Machine code by architecture: several stages need the same. */
const images = new Map<number, Promise<Buffer>>();

export class CudaOperators implements Disposable {
  readonly domain: CustomOpDomain;

  private constructor(
    library: OrtLibrary,
    private readonly stream: CudaStream,
    private readonly kernels: KernelModule,
    private readonly epsilon: number,
  ) {
    const bf16 = (count: number): 'bf16'[] => new Array<'bf16'>(count).fill('bf16');
    const op = (name: string, inputs: number, outputs: number, compute: (node: CustomOpNode) => void) => ({ name, provider: 'CUDAExecutionProvider', inputs: bf16(inputs), outputs: bf16(outputs), compute });
    this.domain = new CustomOpDomain(library, ownDomain, [
      op(gatedSiluOperator, 1, 1, (node) => {
        const { address, shape } = node.input(0);
        const width = lastOf(shape) / 2;
        this.gate(rowsOf(shape), width, address, node.output(0, [...shape.slice(0, -1), width]));
      }),
      op(sandwichNormOperator, 4, 2, (node) => {
        const { address, shape } = node.input(0);
        this.norm(rowsOf(shape), lastOf(shape), { x: address, residual: node.input(1).address, outputWeight: node.input(2).address, nextWeight: node.input(3).address, normed: node.output(0, shape), sum: node.output(1, shape) });
      }),
      op(streamNormOperator, 2, 1, (node) => {
        const { address, shape } = node.input(0);
        this.norm(rowsOf(shape), lastOf(shape), { x: 0n, residual: address, outputWeight: 0n, nextWeight: node.input(1).address, normed: node.output(0, shape), sum: 0n });
      }),
    ]);
  }

  /** Whether a model of this shape can use them. */
  static serves({ hiddenSize, intermediateSize }: OperatorShape): boolean {
    return hiddenSize % groupElements === 0 && intermediateSize % groupElements === 0 && normSharedBytes(hiddenSize) <= sharedBytes;
  }

  /** Compiles them and tries each on a few numbers. @throws {KernelCompileError} when NVRTC is not there, or a kernel computes something else. */
  static async create(library: OrtLibrary, stream: CudaStream, shape: OperatorShape): Promise<CudaOperators> {
    const { context } = stream;
    const { computeCapability } = context.facts;
    const image = images.get(computeCapability) ?? compileKernels(operatorSource, computeCapability, {});
    images.set(computeCapability, image);
    const operators = new CudaOperators(library, stream, new KernelModule(context, await image), shape.rmsNormEpsilon);
    const fault = checkOperators(stream, operators, shape);
    if (fault !== undefined) {
      operators[Symbol.dispose]();
      throw new KernelCompileError(`on ${context.facts.name} ${fault}.`);
    }
    return operators;
  }

  /** y[rows, width] = silu(x[rows, 0]) · x[rows, 1]. */
  gate(rows: number, width: number, x: bigint, y: bigint): void {
    const groups = width / groupElements;
    if (rows > 0) {
      this.kernels.launch('gatedSilu', { grid: [Math.ceil(groups / gateThreads), rows], threads: gateThreads }, this.stream.native, [x, y, groups]);
    }
  }

  /** sum = residual + norm(x), normed = norm(sum); without x, normed = norm(residual). */
  norm(rows: number, width: number, at: { readonly x: bigint; readonly residual: bigint; readonly outputWeight: bigint; readonly nextWeight: bigint; readonly normed: bigint; readonly sum: bigint }): void {
    const groups = width / groupElements;
    if (rows > 0) {
      const threads = Math.min(mostNormThreads, Math.ceil(groups / 32) * 32);
      const epsilon = new Uint8Array(Float32Array.of(this.epsilon).buffer);
      this.kernels.launch('sandwichNorm', { grid: [rows], threads, sharedBytes: normSharedBytes(width) }, this.stream.native, [at.x, at.residual, at.outputWeight, at.nextWeight, at.normed, at.sum, groups, epsilon]);
    }
  }

  [Symbol.dispose](): void {
    this.domain.dispose();
    this.kernels.dispose();
  }
}

function lastOf(shape: readonly number[]): number {
  return shape[shape.length - 1] ?? 0;
}

function rowsOf(shape: readonly number[]): number {
  return shape.slice(0, -1).reduce((product, size) => product * size, 1);
}
